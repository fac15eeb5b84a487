"""The model that answers, and the records of its index."""

from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.responses import Response

from serving.http import responses
from serving.http.refusals import MISSING

if TYPE_CHECKING:
    from serving.live.unit import Unit

_INERT = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
"""A record's content never runs as part of a page."""


def add(app: FastAPI, unit: "Unit") -> None:
    """Add the routes to the application of a unit."""

    @app.get("/v1/model", tags=["model"])
    async def model() -> responses.ModelInfo:
        """The model behind the answers: version, classes, modalities with their limits, figures."""
        return await unit.run(unit.answers.info)

    @app.get(
        "/v1/records/{record_id:path}/media/{modality}",
        tags=["records"],
        responses=MISSING,
        response_class=Response,
    )
    async def media(record_id: str, modality: str) -> Response:
        """A small preview of one modality of a record in the index."""
        content, kind = await unit.run(lambda: unit.answers.preview(record_id, modality))
        return Response(content, media_type=kind, headers=_INERT)
