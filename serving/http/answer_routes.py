"""Questions to the model: classify and search."""

from time import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fastapi import FastAPI, Request

from serving.http import requests, responses
from serving.http.noting import Noting
from serving.http.refusals import ANSWERS
from serving.http.values import values_of
from serving.store.ids import new_id

if TYPE_CHECKING:
    from serving.live.unit import Unit


def add(app: FastAPI, unit: "Unit") -> None:
    """Add the routes to the application of a unit."""
    limits = unit.limits
    Classify: Any = requests.classify_type(limits)
    Search: Any = requests.search_type(limits)

    @app.post("/v1/classify", tags=["answers"], responses=ANSWERS)
    async def classify(request: Classify, http: Request) -> responses.ClassifyResponse:
        """Classify records by whatever modalities they have; probabilities are calibrated."""
        noting = Noting(unit, http)
        unit.answers.check_classifier()
        records = await unit.run(
            lambda: {
                f"records.{i}": values_of(record, limits, f"records.{i}")
                for i, record in enumerate(request.records)
            }
        )
        found = await unit.predict(records, "records")
        told = unit.answers.told(found)
        noting.classified(list(records.values()), told)
        return responses.ClassifyResponse(model=unit.ref, answers=told)

    @app.post("/v1/search", tags=["answers"], responses=ANSWERS)
    async def search(request: Search, http: Request) -> responses.SearchResponse:
        """Find the records nearest to a query: words find pictures, pictures find words."""
        noting = Noting(unit, http)
        query = await unit.run(lambda: values_of(request.query, limits, "query"))
        ask = {"by": request.by, "target": request.target, "k": request.k}
        labels = request.filter.labels if request.filter else None
        unit.answers.check_search(query, labels=labels, **ask)
        only = {request.by: query[request.by]} if request.by else query
        (found,) = await unit.predict({"query": only}, "query")
        hits = await unit.run(
            lambda: unit.answers.search(found, target=request.target, k=request.k, labels=labels)
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
        answer = responses.SearchResponse(
            model=unit.ref, answer_id=new_id(time()), target=request.target, hits=out
        )
        noting.searched(query, answer)
        return answer
