"""The HTTP interface as a plain ASGI application, independent of BentoML.

Model calls run in worker threads, so that health and metrics answer while a model computes. Sizes
are checked before anything is parsed, decoded or computed.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from serving.http import requests, responses
from serving.http.limits import Limits
from serving.http.refusals import refuse_in_words
from serving.http.values import values_of
from serving.live.answers import Answers
from serving.live.budget import Budget

T = TypeVar("T")
_COMPUTING = 2  # model calls at once; torch spreads each of them over the cores
_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": responses.Refusal, "description": "The body is not JSON."},
    413: {
        "model": responses.Refusal,
        "description": "The body is too large, or what it carries takes too much memory to decode.",
    },
    422: {
        "model": responses.Refusal,
        "description": "A field is wrong: which one, what was there, what was wanted.",
    },
}
_ANSWERS = _REFUSALS | {
    503: {
        "model": responses.Refusal,
        "description": "Other requests take all the memory; `Retry-After` says when to ask again.",
    }
}
_MISSING: dict[int | str, dict[str, Any]] = {
    404: {"model": responses.Refusal, "description": "No such record or preview."},
    "default": _REFUSALS[422],
}
_ABOUT = """One model as a classifier and a search engine.

Every record may have any non-empty subset of the modalities.

Health is at `/livez` and `/readyz`, Prometheus metrics at `/metrics`."""


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
    refuse_in_words(app, limits.max_request_bytes)
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
    Classify: Any = requests.classify_type(limits)
    Search: Any = requests.search_type(limits)

    @app.post("/v1/classify", tags=["answers"], responses=_ANSWERS)
    async def classify(request: Classify) -> responses.ClassifyResponse:
        """Classify records by whatever modalities they have; probabilities are calibrated."""
        records = [values_of(r, limits, f"records.{i}") for i, r in enumerate(request.records)]
        placed = {f"records.{i}": record for i, record in enumerate(records)}
        found, ref = await answer(lambda a: (a.classify(records), a.ref), "records", placed)
        return responses.ClassifyResponse(model=ref, answers=found)

    @app.post("/v1/search", tags=["answers"], responses=_ANSWERS)
    async def search(request: Search) -> responses.SearchResponse:
        """Find the records nearest to a query: words find pictures, pictures find words."""
        query = values_of(request.query, limits, "query")
        ask = {"by": request.by, "target": request.target, "k": request.k}
        labels = request.filter.labels if request.filter else None
        hits, ref = await answer(
            lambda a: (a.search(query, labels=labels, **ask), a.ref), "query", {"query": query}
        )
        out = [
            responses.HitOut(
                **{f: getattr(hit, f) for f in ("id", "score", "label", "predicted")},
                media={
                    m: f"/v1/records/{quote(hit.id, safe='')}/media/{quote(m, safe='')}"
                    for m in hit.modalities
                },
            )
            for hit in hits
        ]
        return responses.SearchResponse(model=ref, target=request.target, hits=out)


def _record_routes(app: FastAPI, compute: Callable[..., Any]) -> None:
    @app.get("/v1/model", tags=["model"])
    async def model() -> responses.ModelInfo:
        """The model behind the answers: version, classes, modalities with their limits, figures."""
        info: responses.ModelInfo = await compute(lambda a: a.info())
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
