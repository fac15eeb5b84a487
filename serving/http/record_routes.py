"""The records of the index: shown, and looked through by those who label."""

from typing import TYPE_CHECKING, Annotated

from fastapi import FastAPI, Path, Query
from fastapi.responses import Response

from components.core.moments import written
from serving.defaults import HITS, MAX_HITS
from serving.http.media import media_of
from serving.http.refusals import ANSWERS, MISSING
from serving.interface import responses
from serving.interface.record_responses import RecordResponse, ReviewItem, ReviewResponse

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
    packaged = unit.answers.predictor.collection.packaged
    first = packaged.known(0).modalities[:1] if packaged.ids else ()
    record = Path(examples=packaged.ids[:1], description="id of a record of the index")
    modality = Path(examples=list(first), description="one of its modalities")

    @app.get("/v1/model", tags=["model"])
    async def model() -> responses.ModelInfo:
        """The model behind the answers: version, classes, modalities with their limits, figures."""
        return await unit.run(unit.answers.info)

    @app.get("/v1/review", tags=["records"], responses=ANSWERS)
    async def review(
        k: Annotated[int, Query(ge=1, le=MAX_HITS, description="records wanted")] = HITS,
    ) -> ReviewResponse:
        """Records without a label that the model is least sure of, or whose modalities disagree.

        Those that somebody has labelled as feedback are left out.
        """
        items = await unit.run(lambda: _review(unit, k))
        return ReviewResponse(model=unit.ref, items=items)

    @app.get(
        "/v1/records/{record_id:path}/media/{modality}",
        tags=["records"],
        responses=MISSING,
        response_class=Response,
    )
    async def media(
        record_id: Annotated[str, record], modality: Annotated[str, modality]
    ) -> Response:
        """A small preview of one modality of a record in the index."""
        content, kind = await unit.run(lambda: unit.answers.preview(record_id, modality))
        return Response(content, media_type=kind, headers=_INERT)

    @app.get("/v1/records/{record_id:path}", tags=["records"], responses=MISSING)
    async def get(record_id: Annotated[str, record]) -> RecordResponse:
        """What the index knows about a record."""
        return await unit.run(lambda: _record(unit, record_id))


def _record(unit: "Unit", record: str) -> RecordResponse:
    collection = unit.answers.predictor.collection
    through, known = collection.applied, unit.answers.known(record)
    return RecordResponse(
        model=unit.ref,
        index=unit.answers.index(through),
        id=record,
        label=known.label,
        predicted=known.predicted,
        confidence=known.confidence,
        votes=dict(known.votes),
        modalities=list(known.modalities),
        fields=collection.fields(record),
        time=None if known.time is None else written(known.time),
        media=media_of(record, known.modalities),
    )


def _review(unit: "Unit", k: int) -> list[ReviewItem]:
    return [
        ReviewItem(
            id=found.id,
            predicted=found.known.predicted,
            confidence=found.known.confidence or 0.0,
            disagreement=found.disagreement,
            votes=dict(found.known.votes),
            media=media_of(found.id, found.known.modalities),
        )
        for found in unit.answers.predictor.review.first(k, _labelled(unit))
    ]


def _labelled(unit: "Unit") -> set[str]:
    """The records that feedback has labelled."""
    kept = unit.shared.kept
    return set() if kept is None else kept.feedback.labelled(unit.ref.name)
