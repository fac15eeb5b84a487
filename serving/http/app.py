"""The application of one unit: its request types are the modalities of its model.

The front (`serving.http.front`) reads requests, and gives them to the application of the unit that
is live. Nothing here computes in the event loop.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.dependencies import models as kept_by_fastapi
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from serving.http import (
    answer_routes,
    feedback_routes,
    page,
    record_routes,
    search_routes,
    write_routes,
)
from serving.http.headers import docs_policy
from serving.http.multipart import JsonOrForm
from serving.http.refusals import refuse_in_words
from serving.http.requests import record_type

if TYPE_CHECKING:
    from serving.live.unit import Unit

_ABOUT = """One model as a classifier and a search engine.

Every record may have any non-empty subset of the modalities.

Health is at `/livez` and `/readyz`, Prometheus metrics at `/metrics`."""


def build(unit: "Unit", assets: Path | None = None) -> FastAPI:
    """The application.

    Args:
        unit: answers.
        assets: folder of the OpenAPI page's own scripts, so that it works without a network.
    """
    app = FastAPI(
        title="Concord",
        description=_ABOUT,
        version="1",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # it would send to whatever host a request names
        openapi_url="/openapi.json",
    )
    app.router.route_class = JsonOrForm
    app.state.limits = unit.limits
    refuse_in_words(app)
    record = record_type(unit.limits)
    answer_routes.add(app, unit, record)
    search_routes.add(app, unit, record)
    if unit.answers.records is not None:
        write_routes.add(app, unit, record)
    record_routes.add(app, unit)
    feedback_routes.add(app, unit)
    page.add(app)
    if assets is not None:
        _docs(app, assets)
    forget_routes()
    return app


def forget_routes() -> None:
    """Let go of the routes of applications that are used no more.

    FastAPI remembers for thousands of functions of routes whether they are coroutines, and with
    each function the types of its requests: half a megabyte for each version that was served.
    """
    for found in vars(kept_by_fastapi).values():
        if (clear := getattr(found, "cache_clear", None)) is not None:
            clear()


def _docs(app: FastAPI, assets: Path) -> None:
    app.mount("/docs/assets", StaticFiles(directory=assets), name="assets")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        page = get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="Concord",
            swagger_js_url="/docs/assets/swagger-ui-bundle.js",
            swagger_css_url="/docs/assets/swagger-ui.css",
            swagger_favicon_url="/docs/assets/favicon-light-32x32.png",
        )
        page.headers["Content-Security-Policy"] = docs_policy(bytes(page.body))
        return page


Responses = dict[int | str, dict[str, Any]]
