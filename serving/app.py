"""The HTTP interface as a plain ASGI application, independent of BentoML.

Model calls run in worker threads, so that health and metrics answer while a model computes. A
refusal names the field, what it got and what was wanted. Sizes are checked before anything is
parsed, decoded or computed.
"""

import base64
import binascii
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from components.core.errors import BadInput, UserError
from serving import schemas
from serving.answers import Answers, NotThere
from serving.budget import RETRY_SECONDS, Budget, Busy, TooMuch
from serving.schemas import Limits

T = TypeVar("T")
_COMPUTING = 2  # model calls at once; torch spreads each of them over the cores
_URL_ALPHABET = str.maketrans("-_", "+/")
_SHOWN = 80  # characters of a wrong value that an answer repeats
_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": schemas.Refusal, "description": "The body is not JSON."},
    413: {
        "model": schemas.Refusal,
        "description": "The body is too large, or what it carries takes too much memory to decode.",
    },
    422: {
        "model": schemas.Refusal,
        "description": "A field is wrong: which one, what was there, what was wanted.",
    },
}
_ANSWERS = _REFUSALS | {
    503: {
        "model": schemas.Refusal,
        "description": "Other requests take all the memory; `Retry-After` says when to ask again.",
    }
}
_MISSING: dict[int | str, dict[str, Any]] = {
    404: {"model": schemas.Refusal, "description": "No such record or preview."},
    "default": _REFUSALS[422],
}
_ABOUT = """One model as a classifier and a search engine.

Every record may have any non-empty subset of the modalities.

Health is at `/livez` and `/readyz`, Prometheus metrics at `/metrics`."""


class _Ascii(JSONResponse):
    """JSON in ASCII, since a refusal repeats what was sent, and that may not be encodable."""

    def render(self, content: Any) -> bytes:  # noqa: ANN401 - starlette's protocol
        return json.dumps(content, separators=(",", ":")).encode("ascii")


def build(limits: Limits, answers: Callable[[], Answers], assets: Path | None = None) -> FastAPI:
    """The application.

    Args:
        limits: limits of the model package.
        answers: returns the loaded model; called in a worker thread.
        assets: folder of the OpenAPI page's own scripts, so that it works without a network.
    """
    app = FastAPI(
        title="Concord",
        description=_ABOUT,
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    app.add_middleware(_BodyLimit, most=limits.max_request_bytes)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(BadInput, _bad_input)
    app.add_exception_handler(TooMuch, _too_much)
    app.add_exception_handler(Busy, _busy)
    app.add_exception_handler(NotThere, _not_found)
    app.add_exception_handler(UserError, _unusable)
    slots, budget = CapacityLimiter(_COMPUTING), Budget(limits.serving)

    async def compute(work: Callable[[Answers], T]) -> T:
        return await run_sync(lambda: work(answers()), limiter=slots)

    async def answer(
        work: Callable[[Answers], T], request: str, records: Mapping[str, dict[str, Any]]
    ) -> T:
        costs = await run_sync(lambda: answers().costs(records))
        async with budget.hold(budget.checked(costs, request)):
            return await compute(work)

    _answer_routes(app, limits, answer)
    _record_routes(app, compute)
    if assets is not None:
        _page(app, assets)
    return app


def _answer_routes(app: FastAPI, limits: Limits, answer: Callable[..., Any]) -> None:
    Classify: Any = schemas.classify_type(limits)
    Search: Any = schemas.search_type(limits)

    @app.post("/v1/classify", tags=["answers"], responses=_ANSWERS)
    async def classify(request: Classify) -> schemas.ClassifyResponse:
        """Classify records by whatever modalities they have; probabilities are calibrated."""
        records = [values_of(r, limits, f"records.{i}") for i, r in enumerate(request.records)]
        placed = {f"records.{i}": record for i, record in enumerate(records)}
        found, ref = await answer(lambda a: (a.classify(records), a.ref), "records", placed)
        return schemas.ClassifyResponse(model=ref, answers=found)

    @app.post("/v1/search", tags=["answers"], responses=_ANSWERS)
    async def search(request: Search) -> schemas.SearchResponse:
        """Find the records nearest to a query: words find pictures, pictures find words."""
        query = values_of(request.query, limits, "query")
        ask = {"by": request.by, "target": request.target, "k": request.k}
        labels = request.filter.labels if request.filter else None
        hits, ref = await answer(
            lambda a: (a.search(query, labels=labels, **ask), a.ref), "query", {"query": query}
        )
        out = [
            schemas.HitOut(
                **{f: getattr(hit, f) for f in ("id", "score", "label", "predicted")},
                media={
                    m: f"/v1/records/{quote(hit.id, safe='')}/media/{quote(m, safe='')}"
                    for m in hit.modalities
                },
            )
            for hit in hits
        ]
        return schemas.SearchResponse(model=ref, target=request.target, hits=out)


def _record_routes(app: FastAPI, compute: Callable[..., Any]) -> None:
    @app.get("/v1/model", tags=["model"])
    async def model() -> schemas.ModelInfo:
        """The model behind the answers: version, classes, modalities with their limits, figures."""
        info: schemas.ModelInfo = await compute(lambda a: a.info())
        return info

    @app.get(
        "/v1/records/{record_id:path}/media/{modality}",
        tags=["records"],
        responses=_MISSING,
        response_class=Response,
    )
    async def media(record_id: str, modality: str) -> Response:
        """A small preview of one modality of a record in the index."""
        content, kind = await compute(lambda a: a.preview(record_id, modality))
        headers = {
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; sandbox",
        }
        return Response(content, media_type=kind, headers=headers | {"Cache-Control": "no-cache"})


def _page(app: FastAPI, assets: Path) -> None:
    app.mount("/docs/assets", StaticFiles(directory=assets), name="assets")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="Concord",
            swagger_js_url="/docs/assets/swagger-ui-bundle.js",
            swagger_css_url="/docs/assets/swagger-ui.css",
            swagger_favicon_url="/docs/assets/favicon-light-32x32.png",
        )

    @app.get("/", include_in_schema=False)
    async def index() -> RedirectResponse:
        return RedirectResponse("/docs")


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
