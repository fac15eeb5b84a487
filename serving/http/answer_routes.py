"""Questions about records that come with the request: classify and embed."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from pydantic import BaseModel

from serving.http import requests
from serving.http.multipart import also_multipart
from serving.http.noting import Noting
from serving.http.reading import small
from serving.http.refusals import ANSWERS
from serving.http.values import values_of
from serving.interface import record_responses, responses

if TYPE_CHECKING:
    from components.prediction.prediction import Prediction
    from serving.live.unit import Unit


def add(app: FastAPI, unit: "Unit", record: type[BaseModel]) -> None:
    """Add the routes to the application of a unit, whose records have this type."""
    limits = unit.limits
    Classify: Any = requests.classify_type(limits, record)
    Embed: Any = requests.embed_type(limits, record)

    async def answered(
        given: Sequence[BaseModel], http: Request
    ) -> "tuple[list[Mapping[str, Any]], list[Prediction]]":
        records = await unit.run(
            lambda: {
                f"records.{i}": values_of(one, limits, f"records.{i}")
                for i, one in enumerate(given)
            },
            quick=small(http),
        )
        return list(records.values()), await unit.predict(records, "records")

    @app.post(
        "/v1/classify",
        tags=["answers"],
        responses=ANSWERS,
        response_model_exclude_unset=True,
        openapi_extra=also_multipart(limits),
    )
    async def classify(request: Classify, http: Request) -> responses.ClassifyResponse:
        """Classify records by whatever modalities they have; probabilities are calibrated."""
        noting = Noting(unit, http)
        unit.answers.check_classifier()
        records, found = await answered(request.records, http)
        told = unit.answers.told(found, explain=request.explain)
        noting.classified(records, told)
        return responses.ClassifyResponse(model=unit.ref, answers=told)

    @app.post(
        "/v1/embed", tags=["answers"], responses=ANSWERS, openapi_extra=also_multipart(limits)
    )
    async def embed(request: Embed, http: Request) -> record_responses.EmbedResponse:
        """The unit vectors of records, by modality and of all that a record has."""
        _, found = await answered(request.records, http)
        vectors = [{n: v.tolist() for n, v in one.embeddings.items()} for one in found]
        dim = len(next(iter(vectors[0].values())))
        return record_responses.EmbedResponse(model=unit.ref, dim=dim, embeddings=vectors)
