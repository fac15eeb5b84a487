"""Searches: what is wanted, what is not, and which records may be found."""

from collections.abc import Iterator, Mapping
from time import time
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from pydantic import BaseModel

from components.core.errors import BadInput
from components.core.refs import digest_json
from components.core.values import as_text
from serving.http.media import media_of
from serving.http.multipart import also_multipart
from serving.http.noting import Noting
from serving.http.refusals import ANSWERS
from serving.http.search_requests import search_type
from serving.http.values import values_of
from serving.interface.record_responses import Hit, SearchResponse
from serving.store.ids import new_id

if TYPE_CHECKING:
    from components.parts.filters import Filter
    from components.prediction.asking import Ask, Example, Given, Page
    from serving.live.unit import Unit

_DEEPEST = 32


def add(app: FastAPI, unit: "Unit", record: type[BaseModel]) -> None:
    """Add the routes to the application of a unit, whose records have this type."""
    collection = unit.answers.predictor.collection
    known = collection.packaged.ids[0] if collection.packaged.ids else None
    Search: Any = search_type(unit.limits, record, known)

    @app.post(
        "/v1/search",
        tags=["answers"],
        responses=ANSWERS,
        openapi_extra=also_multipart(unit.limits),
    )
    async def search(request: Search, http: Request) -> SearchResponse:
        """Find the records nearest to a query: words find pictures, pictures find words.

        With `like`, `unlike` and `id`: more like these, less like those. `next` of an answer is
        `after` of the next page.
        """
        noting = Noting(unit, http)
        given, where, asked = await unit.run(lambda: _read(unit, request))
        examples = await _embedded(unit, given, request.by)
        page = await unit.run(
            lambda: unit.answers.predictor.searcher.search(
                _ask(request, examples[: len(given[0])], examples[len(given[0]) :], where, asked)
            )
        )
        answer = _told(unit, request.target, page)
        noting.searched(given[0][0].record or {}, answer)
        return answer


def _read(
    unit: "Unit",
    request: Any,  # noqa: ANN401 - its type is made for the model
) -> "tuple[tuple[list[Given], list[Given]], Filter | None, str]":
    """The wanted and unwanted examples, the filter, and a digest of what was asked.

    Raises:
        BadInput: there is nothing wanted, or a value is wrong.
    """
    unit.answers.predictor.searcher.check(request.target, request.k)
    like, unlike = list(_wanted(unit, request)), list(_terms(unit, request.unlike, "unlike"))
    if not like:
        raise BadInput("query", "nothing that is wanted", "a query, an id, or `like`")
    for example in (*like, *unlike):
        if request.by and example.record is not None and request.by not in example.record:
            has = ", ".join(sorted(example.record)) or "it has none"
            raise BadInput("by", repr(request.by)[:80], f"a modality of {example.place}: {has}")
    where = _where(unit, request.filter) if request.filter is not None else None
    asked = digest_json(request.model_dump(include={"query", "id", "like", "unlike"}))
    return (like, unlike), where, asked


def _wanted(unit: "Unit", request: Any) -> "Iterator[Given]":  # noqa: ANN401
    from components.prediction.asking import Given

    if request.query is not None:
        yield Given(record=values_of(request.query, unit.limits, "query"), place="query")
    if request.id is not None:
        yield Given(id=request.id, place="id")
    yield from _terms(unit, request.like, "like")


def _terms(unit: "Unit", terms: Any, name: str) -> "Iterator[Given]":  # noqa: ANN401
    from components.prediction.asking import Given

    for i, term in enumerate(terms or ()):
        place = f"{name}.{i}"
        if (term.query is None) == (term.id is None):
            got = "neither" if term.id is None else "both"
            raise BadInput(place, got, "either a query or an id")
        if term.id is not None:
            yield Given(id=term.id, weight=term.weight, place=f"{place}.id")
        else:
            values = values_of(term.query, unit.limits, f"{place}.query")
            yield Given(record=values, weight=term.weight, place=f"{place}.query")


async def _embedded(
    unit: "Unit", given: "tuple[list[Given], list[Given]]", by: str | None
) -> "list[Example]":
    """All examples, with the vectors of those that are records."""
    from components.prediction.asking import Example

    both = [*given[0], *given[1]]
    records = {
        one.place: {by: one.record[by]} if by else one.record
        for one in both
        if one.record is not None
    }
    found = await unit.predict(records, "body") if records else []
    vectors = {place: p.embeddings for place, p in zip(records, found, strict=True)}
    return [
        Example(vectors=vectors.get(one.place), id=one.id, weight=one.weight, place=one.place)
        for one in both
    ]


def _ask(
    request: Any,  # noqa: ANN401
    like: "list[Example]",
    unlike: "list[Example]",
    where: "Filter | None",
    asked: str,
) -> "Ask":
    from components.prediction.asking import Ask

    same = {name: getattr(request, name) for name in ("by", "target", "k", "after", "hubness")}
    return Ask(like=like, unlike=unlike, where=where, asked=asked, explain=request.explain, **same)


def _where(unit: "Unit", form: Mapping[str, Any]) -> "Filter":
    from components.parts.filters import In, conditions, parse

    if form.get("labels") == []:
        raise BadInput("filter.labels", "an empty list", "at least 1 item")
    where = parse(_named(form, 0), unit.answers.predictor.collection.declared)
    for condition in conditions(where):
        if isinstance(condition, In) and condition.field == "label":
            unit.answers.check_labels(condition.values)
    return where


def _named(form: Any, depth: int) -> Any:  # noqa: ANN401 - JSON
    """A filter whose classes are texts, also where they are sent as numbers or truth values."""
    if depth > _DEEPEST:
        return form
    if isinstance(form, list):
        return [_named(part, depth + 1) for part in form]
    if not isinstance(form, dict):
        return form
    found = {key: _named(part, depth + 1) for key, part in form.items()}
    key = "labels" if "labels" in form else "in" if form.get("field") == "label" else None
    if key and isinstance(form.get(key), list):
        found[key] = [as_text(v) if isinstance(v, bool | int | float) else v for v in form[key]]
    return found


def _told(unit: "Unit", target: str, page: "Page") -> SearchResponse:
    hits = [
        Hit(
            id=hit.id,
            score=hit.score,
            label=hit.label,
            predicted=hit.predicted,
            media=media_of(hit.id, hit.modalities),
            scores=None if hit.scores is None else dict(hit.scores),
        )
        for hit in page.hits
    ]
    return SearchResponse(
        model=unit.ref,
        index=unit.answers.index(page.applied),
        answer_id=new_id(time()),
        target=target,
        hits=hits,
        next=page.next,
        changed=page.changed,
        composed=page.composed,
    )
