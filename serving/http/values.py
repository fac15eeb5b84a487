"""The values of a request: decoded for the model, and shown in answers."""

import base64
import binascii
import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from pydantic import BaseModel

from components.core.errors import BadInput
from serving.interface.limits import Limits

_URL_ALPHABET = str.maketrans("-_", "+/")
_SHOWN = 80  # characters of a wrong value that an answer repeats


def values_of(record: BaseModel, limits: Limits, where: str) -> dict[str, Any]:
    """The values of a parsed record; media are decoded from base64.

    The model reads the values as it read those that it learned from.

    Raises:
        BadInput: media that are too large or not in base64, or a number that JSON cannot have.
    """
    values = {name: value for name, value in record.model_dump().items() if value is not None}
    for name, value in values.items():
        modality = limits.modalities[name]
        if modality.raw == "bytes":
            values[name] = from_base64(value, f"{where}.{name}", modality.options.get("max_bytes"))
        elif modality.raw == "fields":
            _check_numbers(value, f"{where}.{name}")
    return values


def _check_numbers(fields: Mapping[str, Any], where: str) -> None:
    """Refuse numbers that are not finite; in a data set they mean an empty cell or a fault."""
    for column, value in fields.items():
        cells = value if isinstance(value, list) else [value]
        for cell in cells:
            if isinstance(cell, float) and not math.isfinite(cell):
                raise BadInput(f"{where}.{column}", repr(cell), "a finite number, or null")


def from_base64(text: str, field: str, most: int | None) -> bytes:
    """Media from base64 in either alphabet, with or without padding, line breaks or a data: URL.

    Raises:
        BadInput: another text, or media of more than ``most`` bytes; measured before decoding.
    """
    sent = text
    if text[:5].lower() == "data:":
        head, _, text = text.partition(",")
        if not head.lower().endswith(";base64"):
            raise BadInput(field, shown(sent), "a file in base64, also as a data: URL with ;base64")
        text = unquote(text)
    text = "".join(text.split()).rstrip("=").translate(_URL_ALPHABET)
    size = len(text) * 3 // 4
    if most is not None and size > most:
        raise BadInput(field, f"a file of {size:,} bytes", f"at most {most:,}")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadInput(field, f"{shown(sent)} ({error})", "a file in base64") from error


def shown(value: object) -> str:
    """A value as an answer repeats it: short, and safe to encode."""
    text = ascii(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text)} characters)"
