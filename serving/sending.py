"""What a client sends: its token, and records as JSON (media as base64)."""

import base64
import math
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from components.core.errors import BadInput, UsageError
from components.core.values import as_text, is_empty, plain
from serving.defaults import URL

TOKEN = "CONCORD_TOKEN"  # noqa: S105 - the name of an environment variable
"""The environment variable with the token that is sent, unless one is given."""


def as_json(record: Mapping[str, Any]) -> dict[str, Any]:
    """One record as a request holds it.

    Args:
        record: modality to ``bytes`` or ``Path`` (media), text, or fields; None is left out.

    Raises:
        BadInput: a field that is not finite.
    """
    return {name: _value(name, value) for name, value in record.items() if value is not None}


def _value(name: str, value: object) -> object:
    if isinstance(value, Path):
        value = value.read_bytes()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, Mapping):
        return {column: _cell(f"{name}.{column}", cell) for column, cell in value.items()}
    return value


def _cell(where: str, cell: Any) -> Any:  # noqa: ANN401
    """A field as JSON holds it, from a data set or a data frame."""
    cell = plain(cell)
    if is_empty(cell):
        return None
    if isinstance(cell, list | tuple | set):
        return [_cell(where, member) for member in cell]
    if isinstance(cell, Decimal):
        cell = float(cell)
    if isinstance(cell, float) and not math.isfinite(cell):
        raise BadInput(where, repr(cell), "a finite number or null")
    return as_text(cell) if isinstance(cell, date | time) else cell


def bearer(token: str) -> dict[str, str]:
    """The header that carries a token; none for an empty one.

    Raises:
        UsageError: it is not one word of ASCII.
    """
    if not token:
        return {}
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise UsageError(
            f"the token ({TOKEN}) is not one word of ASCII, as "
            "`concord token new --name NAME --scope predict` prints it"
        )
    return {"Authorization": f"Bearer {token}"}


def checked(url: str) -> str:
    """An address that a client can use.

    Raises:
        UsageError: it is not one.
    """
    try:
        found = httpx.URL(url)
        found.host.encode("idna")
        usable = found.scheme in {"http", "https"} and found.host and (found.port or 1) < 2**16
    except (httpx.InvalidURL, UnicodeError):
        usable = False
    if not usable:
        raise UsageError(f"got the address {url!r}, wanted one such as {URL}")
    return url
