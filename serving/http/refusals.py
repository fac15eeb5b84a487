"""Refusals over HTTP: each names the field, what it got and what was wanted."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from components.core.errors import BadInput, UserError
from serving.http.values import shown
from serving.live.answers import NotThere
from serving.live.budget import RETRY_SECONDS, Busy, TooMuch


def refuse_in_words(app: FastAPI, most_bytes: int) -> None:
    """Let an application answer every error with a ``Refusal``; larger bodies are not read."""
    app.add_middleware(_BodyLimit, most=most_bytes)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(BadInput, _bad_input)
    app.add_exception_handler(TooMuch, _too_much)
    app.add_exception_handler(Busy, _busy)
    app.add_exception_handler(NotThere, _not_found)
    app.add_exception_handler(UserError, _unusable)


class _Ascii(JSONResponse):
    """JSON in ASCII, since a refusal repeats what was sent, and that may not be encodable."""

    def render(self, content: Any) -> bytes:  # noqa: ANN401 - starlette's protocol
        return json.dumps(content, separators=(",", ":")).encode("ascii")


def _refusal(
    status: int, problems: Sequence[Mapping[str, str]], message: str | None = None
) -> Response:
    text = message or "; ".join(
        f"{p['field']}: got {p['got']}, wanted {p['wanted']}" for p in problems
    )
    return _Ascii({"message": text, "problems": [dict(p) for p in problems]}, status)


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problems = []
    for item in error.errors():
        if item["type"] == "json_invalid":
            at = item["loc"][-1]
            problem = {
                "field": "body",
                "got": f"no JSON: {item['ctx']['error']} at character {at}",
                "wanted": "a JSON object",
            }
            return _refusal(400, [problem])
        where = ".".join(shown(str(p)).strip("'\"") for p in item["loc"] if p != "body") or "body"
        got = "nothing" if item["type"] == "missing" else shown(item.get("input"))
        problems.append({"field": where, "got": got, "wanted": _wanted(item)})
    # A field that may be one of several types fails each of them: one line says enough.
    unique = {p["field"]: p for p in reversed(problems)}
    return _refusal(422, list(reversed(unique.values())))


def _wanted(item: Mapping[str, Any]) -> str:
    match item["type"]:
        case "extra_forbidden":
            return "no such field; GET /v1/model lists the modalities"
        case "too_long":
            return f"at most {item['ctx']['max_length']} items, got {item['ctx']['actual_length']}"
        case "too_short":
            least = item["ctx"]["min_length"]
            return f"at least {least} item{'' if least == 1 else 's'}"
        case "missing":
            return "this field"
        case _ if item["loc"] == ("body",) and isinstance(item.get("input"), bytes):
            return "a JSON object with the header Content-Type: application/json"
        case _:
            return str(item["msg"]).removeprefix("Input should be ")


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    # The body is not JSON, for a reason without a position in it.
    if error.status_code == 400:
        return _refusal(
            400,
            [{"field": "body", "got": "what cannot be parsed", "wanted": "a JSON object in UTF-8"}],
        )
    return _refusal(error.status_code, [], str(error.detail))


async def _bad_input(_: Request, error: Exception) -> Response:
    assert isinstance(error, BadInput)
    return _refusal(422, [{"field": error.field, "got": error.got, "wanted": error.wanted}])


async def _too_much(_: Request, error: Exception) -> Response:
    assert isinstance(error, TooMuch)
    return _refusal(413, [{"field": error.field, "got": error.got, "wanted": error.wanted}])


async def _busy(_: Request, __: Exception) -> Response:
    got = "no memory to decode it, which other requests take"
    wanted = f"another try in {RETRY_SECONDS} seconds"
    response = _refusal(503, [{"field": "body", "got": got, "wanted": wanted}])
    response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


async def _not_found(_: Request, error: Exception) -> Response:
    assert isinstance(error, NotThere)
    return _refusal(404, [{"field": error.field, "got": error.got, "wanted": error.wanted}])


async def _unusable(_: Request, error: Exception) -> Response:
    return _refusal(422, [], str(error))


class _BodyLimit:
    """Refuses a body by its declared length, or as soon as it exceeds the limit."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app, self._most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > self._most:
            await self._too_large(f"{declared.decode('ascii', 'replace')} bytes")(
                scope, receive, send
            )
            return
        come = 0

        async def counted() -> Message:
            nonlocal come
            message = await receive()
            come += len(message.get("body", b""))
            if come > self._most:
                raise HTTPException(
                    413, f"body: got more than {self._most:,} bytes, wanted at most {self._most:,}"
                )
            return message

        await self._app(scope, counted, send)

    def _too_large(self, got: str) -> Response:
        return _refusal(
            413, [{"field": "body", "got": got, "wanted": f"at most {self._most:,} bytes"}]
        )
