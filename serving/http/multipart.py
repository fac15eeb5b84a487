"""Requests as forms: a file in a part of its own instead of base64 in JSON.

A part is named as a modality of the record, or ``N.MODALITY`` of the ``N``-th of several (from 0);
media are files, texts are texts, and fields are JSON. Every other part is a field of the request,
as JSON or as text. The form becomes the same tree as JSON does, and everything else is alike.
"""

import asyncio
import base64
import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from python_multipart import FormParser
from python_multipart.exceptions import FormParserError

from components.core.errors import BadInput
from serving.http.reading import ParsedAside, TooLarge, check_shape
from serving.interface.limits import Limits

_MORE_PARTS = 64
_JSON_PARTS = 1 << 17
"""Values and names in all JSON of a form."""
_TYPE = "multipart/form-data"


def also_multipart(limits: Limits) -> dict[str, Any]:
    """The forms in an OpenAPI operation, beside JSON."""
    properties: dict[str, Any] = {}
    for name, modality in limits.modalities.items():
        binary = {"type": "string", "format": "binary", "description": modality.accepts}
        properties[name] = binary if modality.raw == "bytes" else modality.schema
    words = (
        "parts are modalities, or `N.MODALITY` of several records; other fields of the request are"
        " parts too, as JSON or text"
    )
    schema = {"type": "object", "properties": properties, "description": words}
    return {"requestBody": {"content": {_TYPE: {"schema": schema}}}}


class JsonOrForm(ParsedAside):
    """A route that reads a form as it reads JSON."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of the route, for such a request."""
        handle = super().get_route_handler()
        shape = self.path

        async def formed(request: Request) -> Response:
            kind = request.headers.get("content-type", "")
            if not kind.lower().startswith(_TYPE):
                return await handle(request)
            limits: Limits = request.app.state.limits
            body = await request.body()
            content = await asyncio.to_thread(lambda: json.dumps(_tree(body, kind, limits, shape)))
            headers = [(k, v) for k, v in request.scope["headers"] if k != b"content-type"]
            scope = {**request.scope, "headers": [*headers, (b"content-type", b"application/json")]}
            return await handle(Request(scope, _once(content.encode())))

        return formed


def _once(body: bytes) -> Callable[[], Coroutine[Any, Any, dict[str, Any]]]:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _tree(body: bytes, kind: str, limits: Limits, path: str) -> dict[str, Any]:
    """The tree of a form, as JSON has it.

    Raises:
        BadInput: not a form, or a part that is wrong.
        TooLarge: too many parts.
    """
    tree: dict[str, Any] = {}
    records: dict[int, dict[str, Any]] = {}
    for name, content in _parts(body, kind, limits):
        number, dot, rest = name.partition(".")
        numbered = bool(dot) and number.isdigit() and len(number) < 6
        of, field = (int(number), rest) if numbered else (0, name)
        if field in limits.modalities:
            modality = limits.modalities[field]
            records.setdefault(of, {})[field] = _value(name, content, modality.raw)
        elif numbered:
            records.setdefault(of, {})[f".{field}"] = _json_or_text(name, content)
        else:
            tree[name] = _json_or_text(name, content)
    return tree | _placed(records, path)


def _placed(records: dict[int, dict[str, Any]], path: str) -> dict[str, Any]:
    """Records where the request of an address has them."""
    if path == "/v1/search":
        return {"query": records[0]} if 0 in records else {}
    if path.startswith("/v1/records/"):
        return {"record": records.get(0, {})}
    if sorted(records) != list(range(len(records))):
        got = ", ".join(map(str, sorted(records)[:10]))
        raise BadInput("records", f"parts of the records {got}", "consecutive numbers from 0")
    found = [records[n] for n in range(len(records))]
    if path != "/v1/records":
        return {"records": [_plain(one) for one in found]}
    own = [{k[1:]: v for k, v in one.items() if k.startswith(".")} for one in found]
    return {
        "records": [
            {**more, "record": {k: v for k, v in one.items() if not k.startswith(".")}}
            for more, one in zip(own, found, strict=True)
        ]
    }


def _plain(record: dict[str, Any]) -> dict[str, Any]:
    return {name.removeprefix("."): value for name, value in record.items()}


def _parts(body: bytes, kind: str, limits: Limits) -> list[tuple[str, bytes]]:
    """Name and content of each part."""
    most = limits.serving.max_batch * (len(limits.modalities) + 2) + _MORE_PARTS
    found: list[tuple[str, bytes]] = []

    def take(part: Any, content: bytes) -> None:  # noqa: ANN401
        if len(found) >= most:
            raise TooLarge("body", f"more than {most:,} parts", "fewer")
        try:
            found.append(((part.field_name or b"").decode(), content))
        except UnicodeDecodeError:
            raise BadInput("body", "a part whose name is not UTF-8", "names in UTF-8") from None

    def on_file(file: Any) -> None:  # noqa: ANN401
        file.file_object.seek(0)
        take(file, file.file_object.read())
        file.close()

    try:
        content_type, options = _header(kind)
        parser = FormParser(
            content_type,
            lambda field: take(field, field.value or b""),
            on_file,
            boundary=options.get(b"boundary"),
            config={"MAX_MEMORY_FILE_SIZE": len(body) + 1, "MAX_BODY_SIZE": len(body) + 1},
        )
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise BadInput(
            "body", f"not a form: {str(error)[:100]}", "parts between boundaries"
        ) from None
    return found


def _header(kind: str) -> tuple[str, dict[bytes, bytes]]:
    from python_multipart.multipart import parse_options_header

    value, options = parse_options_header(kind)
    return value.decode("latin-1"), options


def _value(name: str, content: bytes, raw: str) -> Any:  # noqa: ANN401
    if raw == "bytes":
        return base64.b64encode(content).decode("ascii")
    return _text(name, content) if raw == "text" else _json(name, content)


def _json_or_text(name: str, content: bytes) -> Any:  # noqa: ANN401
    """JSON where it is some, else the text: ``k=5`` and ``target=image`` both read as meant."""
    try:
        return _json(name, content)
    except BadInput:
        return _text(name, content)


def _json(name: str, content: bytes) -> Any:  # noqa: ANN401
    check_shape(content, _JSON_PARTS)
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise BadInput(name[:80], "a part that is not JSON", "JSON") from None


def _text(name: str, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise BadInput(name[:80], "bytes that are not text", "text in UTF-8") from None
