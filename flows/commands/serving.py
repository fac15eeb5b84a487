"""``concord serve``, ``classify`` and ``search``."""

import json
from pathlib import Path
from typing import Any

from components.config.home import find
from components.core.errors import UsageError
from flows.commands.answer import Answer, table
from flows.commands.registry import only_model
from flows.display import console
from serving.defaults import URL


def serve(model: str | None, *, host: str, port: int) -> Answer:
    """Serve the champion until interrupted."""
    from serving.follow import supervise

    home = find()
    name = only_model(home, model)
    supervise(home, name, host=host, port=port, told=console.print)
    return Answer(
        value={"model": name, "served": True},
        text=f"{name} is no longer served",
        then="concord serve",
    )


def classify(media: list[str], text: list[str], fields: list[str], url: str | None) -> Answer:
    """Ask for the class of one record."""
    from serving.client import Client

    with Client(url or URL) as client:
        answer = client.classify([_record(media, text, fields)])
    found = answer["answers"][0]
    top = sorted(found["probabilities"].items(), key=lambda p: -p[1])[:5]
    rows = [[name, f"{share:.3f}"] for name, share in top]
    return Answer(
        value=answer, text=table(rows, ["class", "probability"]), then="concord search --help"
    )


def search(
    media: list[str], text: list[str], fields: list[str], *, target: str, k: int, url: str | None
) -> Answer:
    """Ask for the nearest records."""
    from serving.client import Client

    address = url or URL
    with Client(address) as client:
        answer = client.search(_record(media, text, fields), target=target, k=k)
    rows = [[hit["id"], f"{hit['score']:.3f}", hit["label"] or ""] for hit in answer["hits"]]
    return Answer(
        value=answer,
        text=table(rows, ["record", "score", "label"]),
        then=f"previews: {address}/v1/records/ID/media/MODALITY",
    )


def _record(media: list[str], text: list[str], fields: list[str]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for name, value in _pairs(media, "--media", "FILE"):
        path = Path(value)
        if not path.is_file():
            raise UsageError(f"--media {name}: no file at {path}")
        record[name] = path.read_bytes()
    record |= dict(_pairs(text, "--text", "TEXT"))
    for name, value in _pairs(fields, "--fields", "JSON"):
        try:
            record[name] = json.loads(value)
        except json.JSONDecodeError as error:
            raise UsageError(
                f"--fields {name}: got {value!r}, wanted a JSON object of columns ({error})"
            ) from error
    if not record:
        raise UsageError('give at least one modality, for example --text "text=LEFTWARDS ARROW"')
    return record


def _pairs(values: list[str], option: str, what: str) -> list[tuple[str, str]]:
    pairs = [value.partition("=") for value in values]
    if wrong := [name for name, sign, _ in pairs if not sign]:
        raise UsageError(f"{option}: got {wrong[0]!r}, wanted modality={what}")
    return [(name, value) for name, _, value in pairs]
