"""One record from the options of the command line."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from components.core.errors import UsageError, unknown_name
from components.core.failures import told


def read(media: Sequence[str], text: Sequence[str], fields: Sequence[str]) -> dict[str, Any]:
    """The record that ``--media``, ``--text`` and ``--fields`` describe.

    Raises:
        UsageError: no modality, one given twice, a file that cannot be read, or text or JSON that
            is not as it should be.
    """
    record: dict[str, Any] = {}
    for option, values, what, reader in (
        ("--media", media, "FILE", _content),
        ("--text", text, "TEXT", _unicode),
        ("--fields", fields, "JSON", _columns),
    ):
        for name, value in _pairs(values, option, what):
            if name in record:
                raise UsageError(f"{option} {name}: this modality is given twice; drop one")
            record[name] = reader(f"{option} {name}", value)
    if not record:
        raise UsageError('give at least one modality, for example --text "text=LEFTWARDS ARROW"')
    return record


def has_file(record: Mapping[str, Any]) -> bool:
    """Whether some modality is given as a file."""
    return any(isinstance(value, bytes) for value in record.values())


def check_files(record: Mapping[str, Any], modalities: Iterable[Mapping[str, Any]]) -> None:
    """Check that no file is given for a modality of text: as base64 it would be taken for text.

    Args:
        record: as `read` gives it.
        modalities: of the model, as ``GET /v1/model`` describes them.

    Raises:
        UsageError: a file is given for a modality that is not one of media.
    """
    given = {name for name, value in record.items() if isinstance(value, bytes)}
    for modality in modalities:
        name, raw = modality["name"], modality.get("raw", "bytes")  # older endpoints say none
        if name in given and raw != "bytes":
            raise UsageError(
                f"--media {name}: got a file, wanted {modality['accepts']}; give it with --{raw}"
            )


def check_forms(record: Mapping[str, Any], modalities: Sequence[Mapping[str, Any]]) -> None:
    """Explain a refusal in the words of the command line: a misspelt modality, text for a file.

    Args:
        record: as `read` gives it.
        modalities: of the model, as ``GET /v1/model`` describes them.

    Raises:
        UsageError: a name that the model does not have, or text for a modality of media.
    """
    raws = {each["name"]: each.get("raw", "") for each in modalities}
    for name, value in record.items():
        if name not in raws:
            raise UsageError(unknown_name("modality", name, raws))
        if isinstance(value, str) and raws[name] == "bytes":
            raise UsageError(
                f"--text {name}: got text, wanted a file; give it with --media {name}=FILE"
            )


def _content(option: str, path: str) -> bytes:
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise UsageError(f"{option}: no file at {path}") from error
    except OSError as error:
        raise UsageError(f"{option}: {told(error)}") from error
    if not content:
        raise UsageError(f"{option}: {path} is empty; leave the modality out if it is missing")
    return content


def _unicode(option: str, text: str) -> str:
    """Text as the shell gave it; bytes that are not UTF-8 arrive as half surrogates.

    Raises:
        UsageError: it is not Unicode.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"{option}: got {text!r}, wanted text in UTF-8") from error
    return text


def _columns(option: str, text: str) -> dict[str, Any]:
    return json_object(option, text, "a JSON object of columns")


def json_object(option: str, text: str, wanted: str) -> dict[str, Any]:
    """A JSON object whose numbers are finite.

    Args:
        option: that holds it.
        text: as the shell gave it.
        wanted: what it should be, for errors.

    Raises:
        UsageError: it is something else.
    """
    _unicode(option, text)
    try:
        value = json.loads(text, parse_constant=_not_json)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except RecursionError as error:
        raise UsageError(f"{option}: its values are nested too deeply") from error
    except ValueError as error:  # of the parser, of a number out of range, of half a surrogate
        raise UsageError(f"{option}: got {text[:200]!r}, wanted {wanted} ({error})") from error
    if not isinstance(value, dict):
        raise UsageError(f"{option}: got {text[:200]!r}, wanted {wanted}")
    return value


def _not_json(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a JSON number; leave the column out or write null")


def _pairs(values: Sequence[str], option: str, what: str) -> list[tuple[str, str]]:
    pairs = [value.partition("=") for value in values]
    if wrong := [name for name, sign, _ in pairs if not sign]:
        raise UsageError(f"{option}: got {wrong[0]!r}, wanted modality={what}")
    return [(name, value) for name, _, value in pairs]
