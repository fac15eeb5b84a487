"""Refusals over HTTP: each names the field, what it got and what was wanted."""

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.routing import Match

from components.core.errors import BadInput, UserError
from serving.http.described import describe_tokens
from serving.http.reading import TooLarge, TooSlow
from serving.http.tokens import Denied
from serving.http.values import shown
from serving.interface.responses import Refusal
from serving.live.answers import NotLive, NotThere
from serving.live.batching import Full
from serving.live.budget import RETRY_SECONDS, Busy, TooMuch
from serving.store.database import StoreError

_log = logging.getLogger("concord.serving")
_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": Refusal, "description": "The body is not JSON."},
    404: {"model": Refusal, "description": "No such record, or no such version that serves."},
    408: {"model": Refusal, "description": "The body did not arrive in time."},
    413: {
        "model": Refusal,
        "description": "The body is too large, or what it carries takes too much memory to decode.",
    },
    422: {
        "model": Refusal,
        "description": "A field is wrong: which one, what was there, what was wanted.",
    },
    429: {
        "model": Refusal,
        "description": "More requests than can be answered soon; `Retry-After` gives the wait.",
    },
    503: {
        "model": Refusal,
        "description": "Other requests take all the memory; `Retry-After` gives the wait.",
    },
    504: {"model": Refusal, "description": "There was no answer before the deadline."},
}
ANSWERS = _REFUSALS
"""What a question may be answered with besides an answer."""
MISSING: dict[int | str, dict[str, Any]] = {
    404: {"model": Refusal, "description": "No such record or preview."},
    "default": {"model": Refusal, "description": "Any other refusal, with its reason."},
}
FEEDBACK: dict[int | str, dict[str, Any]] = {
    404: {"model": Refusal, "description": "The log has no such answer, or the index no record."},
    "default": {"model": Refusal, "description": "Any other refusal, with its reason."},
}
_SHOWN = 20  # problems of a request that are told


def refuse_in_words(app: FastAPI) -> None:
    """Let an application answer every error with a ``Refusal``, before its routes are added."""
    describe_tokens(app)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(BadInput, _bad_input)
    app.add_exception_handler(TooMuch, _too_much)
    app.add_exception_handler(TooLarge, _too_much)
    app.add_exception_handler(Busy, _busy)
    app.add_exception_handler(Full, _full)
    app.add_exception_handler(NotThere, _not_found)
    app.add_exception_handler(StoreError, _no_store)
    app.add_exception_handler(UserError, _unusable)
    app.add_exception_handler(Exception, _failed)


class _Ascii(JSONResponse):
    """JSON in ASCII, since a refusal repeats what was sent, and that may not be encodable."""

    def render(self, content: Any) -> bytes:  # noqa: ANN401 - starlette's protocol
        return json.dumps(content, separators=(",", ":")).encode("ascii")


def refusal(
    status: int,
    problems: Sequence[Mapping[str, str]],
    message: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A refusal: its problems, also as a sentence.

    Args:
        status: of HTTP.
        problems: field, got and wanted; the first of them are listed.
        message: another sentence.
        headers: more headers.
    """
    if len(problems) > _SHOWN:
        more = f"{len(problems) - _SHOWN} more problems"
        rest = {"field": "body", "got": more, "wanted": "none; fix the listed ones first"}
        problems = [*problems[:_SHOWN], rest]
    text = message or "; ".join(
        f"{p['field']}: got {p['got']}, wanted {p['wanted']}" for p in problems
    )
    return _Ascii(
        {"message": text, "problems": [dict(p) for p in problems]}, status, headers=headers
    )


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problems = []
    for item in error.errors():
        if item["type"] == "json_invalid":
            at = item["loc"][-1]
            problem = {
                "field": "body",
                "got": f"not JSON: {item['ctx']['error']} at character {at}",
                "wanted": "a JSON object",
            }
            return refusal(400, [problem])
        where = ".".join(shown(str(p)).strip("'\"") for p in item["loc"] if p != "body") or "body"
        got = "nothing" if item["type"] == "missing" else shown(item.get("input"))
        problems.append({"field": where, "got": got, "wanted": _wanted(item)})
    # A field that may be one of several types fails each of them: one line says enough.
    unique = {p["field"]: p for p in reversed(problems)}
    return refusal(422, list(reversed(unique.values())))


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
            return str(item["msg"]).removeprefix("Input should be ").removeprefix("Value error, ")


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        return refusal(405, [], str(error.detail), {"Allow": _methods(request)})
    # The body is not JSON, for a reason without a position in it.
    if error.status_code == 400:
        return refusal(
            400,
            [
                {
                    "field": "body",
                    "got": "a body that cannot be parsed",
                    "wanted": "a JSON object in UTF-8",
                }
            ],
        )
    return refusal(error.status_code, [], str(error.detail), error.headers)


def _methods(request: Request) -> str:
    """The methods of all routes to an address; the router tells those of the first one."""
    found = [r for r in request.app.routes if r.matches(request.scope)[0] is not Match.NONE]
    return ", ".join(sorted({m for route in found for m in getattr(route, "methods", None) or ()}))


async def _bad_input(_: Request, error: Exception) -> Response:
    assert isinstance(error, BadInput)
    return refusal(422, [{"field": error.field, "got": error.got, "wanted": error.wanted}])


async def _too_much(_: Request, error: Exception) -> Response:
    assert isinstance(error, TooMuch | TooLarge)
    return refusal(413, [{"field": error.field, "got": error.got, "wanted": error.wanted}])


async def _busy(_: Request, __: Exception) -> Response:
    return busy("no memory to decode it, which other requests take")


def busy(got: str, status: int = 503) -> Response:
    """A refusal with the time to wait before asking again."""
    problem = {"field": "body", "got": got, "wanted": f"a retry in {RETRY_SECONDS} seconds"}
    return refusal(status, [problem], headers={"Retry-After": str(RETRY_SECONDS)})


def full() -> Response:
    """The refusal above saturation."""
    return busy("more requests than can be answered soon", 429)


async def _full(_: Request, __: Exception) -> Response:
    return full()


def ambiguous() -> Response:
    """The refusal of a request whose end a proxy in front may see elsewhere."""
    problem = {
        "field": "header.Content-Length",
        "got": "Content-Length and Transfer-Encoding",
        "wanted": "one of them",
    }
    return refusal(400, [problem], headers={"Connection": "close"})


def late() -> Response:
    """The refusal at the deadline."""
    got, wanted = "no answer before the deadline", "fewer records, or a later deadline"
    return refusal(504, [{"field": "body", "got": got, "wanted": wanted}])


def of(error: Exception) -> Response:
    """The refusal of what the front refuses."""
    match error:
        case TooLarge():
            status = 413
        case Full():
            return full()
        case NotLive():
            status = 404 if error.field == "X-Concord-Version" else 503
        case TooSlow():
            words = {
                "field": "body",
                "got": "a body that did not arrive in time",
                "wanted": "all of it",
            }
            return refusal(408, [words], headers={"Connection": "close"})
        case _:
            return busy("no memory to read it, which other requests take")
    assert isinstance(error, BadInput)
    return refusal(status, [{"field": error.field, "got": error.got, "wanted": error.wanted}])


async def _not_found(_: Request, error: Exception) -> Response:
    assert isinstance(error, NotThere)
    return refusal(404, [{"field": error.field, "got": error.got, "wanted": error.wanted}])


async def _no_store(_: Request, error: Exception) -> Response:
    _log.error("%s", error)  # not told: it names places of this machine
    problem = {
        "field": "body",
        "got": "a request to keep, but the store of the service does not answer",
        "wanted": "a retry in 5 seconds",
    }
    return refusal(503, [problem], headers={"Retry-After": "5"})


async def _failed(_: Request, __: Exception) -> Response:
    return refusal(500, [], "a fault of the service; its log has it")  # which the server writes


async def _unusable(_: Request, error: Exception) -> Response:
    return refusal(422, [], str(error))


def denied(caller: Denied) -> Response:
    """The answer to who may not ask."""
    problem = {"field": caller.field, "got": caller.got, "wanted": caller.wanted}
    return refusal(caller.status, [problem], headers=caller.headers)
