"""``concord serve``, ``classify`` and ``search``."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from components.config.home import find
from components.core.commands import concord
from components.core.errors import UsageError
from components.core.failures import told
from flows.commands.answer import Answer, table
from flows.commands.registry import only_model
from flows.display import console
from serving.defaults import URL

if TYPE_CHECKING:
    from serving.client import Client


def serve(model: str | None, *, host: str, port: int) -> Answer:
    """Serve the champion until interrupted."""
    from serving.follow import supervise

    home = find()
    name = only_model(home, model)
    supervise(home, name, host=host, port=port, told=console.print)
    return Answer(
        value={"model": name, "served": True},
        text=f"{name} is no longer served",
        then=concord("serve", model=name),
    )


def classify(media: list[str], text: list[str], fields: list[str], url: str | None) -> Answer:
    """Ask for the class of one record."""
    from serving.client import Client

    record = _record(media, text, fields)
    with Client(url or URL) as client:
        _check_files(client, record)
        answer = client.classify([record])
    found = answer["answers"][0]
    top = sorted(found["probabilities"].items(), key=lambda p: -p[1])[:5]
    rows = [[name, f"{share:.3f}"] for name, share in top]
    shown = table(rows, ["class", "probability"])
    if "labels" in found:
        given = ", ".join(f"{name} ({p:.3f})" for name, p in found["labels"].items())
        shown = f"given: {given or 'none of the classes'}\n\n{shown}"
    return Answer(value=answer, text=shown, then="concord search --help")


def search(
    media: list[str], text: list[str], fields: list[str], *, target: str, k: int, url: str | None
) -> Answer:
    """Ask for the nearest records."""
    from serving.client import Client

    address = url or URL
    query = _record(media, text, fields)
    with Client(address) as client:
        _check_files(client, query)
        answer = client.search(query, target=target, k=k)
    rows = [[hit["id"], f"{hit['score']:.3f}", _told(hit["label"])] for hit in answer["hits"]]
    return Answer(
        value=answer,
        text=table(rows, ["record", "score", "label"]),
        then=f"previews: {address}/v1/records/ID/media/MODALITY",
    )


def _told(label: str | list[str] | None) -> str:
    return ", ".join(label) if isinstance(label, list) else label or ""


def _record(media: list[str], text: list[str], fields: list[str]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for option, values, what, read in (
        ("--media", media, "FILE", _content),
        ("--text", text, "TEXT", _unicode),
        ("--fields", fields, "JSON", _fields),
    ):
        for name, value in _pairs(values, option, what):
            if name in record:
                raise UsageError(f"{option} {name}: this modality is given twice; drop one")
            record[name] = read(f"{option} {name}", value)
    if not record:
        raise UsageError('give at least one modality, for example --text "text=LEFTWARDS ARROW"')
    return record


def _check_files(client: "Client", record: Mapping[str, Any]) -> None:
    """Check that no file is given for a modality of text: as base64 it would be taken for text.

    Raises:
        UsageError: a file is given for a modality that is not one of media.
    """
    given = {name for name, value in record.items() if isinstance(value, bytes)}
    if not given:
        return
    for modality in client.model()["modalities"]:
        name, raw = modality["name"], modality.get("raw", "bytes")  # older endpoints say none
        if name in given and raw != "bytes":
            raise UsageError(
                f"--media {name}: got a file, wanted {modality['accepts']}; give it with --{raw}"
            )


def _content(option: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError as error:
        raise UsageError(f"{option}: no file at {path}") from error
    except OSError as error:
        raise UsageError(f"{option}: {told(error)}") from error


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


def _fields(option: str, text: str) -> dict[str, Any]:
    """A JSON object whose numbers are finite.

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
        raise UsageError(
            f"{option}: got {text[:200]!r}, wanted a JSON object of columns ({error})"
        ) from error
    if not isinstance(value, dict):
        raise UsageError(f"{option}: got {text[:200]!r}, wanted a JSON object of columns")
    return value


def _not_json(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON; leave the column out or write null")


def _pairs(values: list[str], option: str, what: str) -> list[tuple[str, str]]:
    pairs = [value.partition("=") for value in values]
    if wrong := [name for name, sign, _ in pairs if not sign]:
        raise UsageError(f"{option}: got {wrong[0]!r}, wanted modality={what}")
    return [(name, value) for name, _, value in pairs]
