"""The request of a search: what is wanted and what is not, where, and which records."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, WithJsonSchema, create_model

from components.core.names import FUSED
from serving.defaults import HITS, MAX_HITS
from serving.http.requests import described
from serving.interface.limits import Limits

_MAX_WEIGHT = 100
_MAX_CURSOR = 1_000_000
_FORMS = (
    'one of {"and": [FILTER…]}, {"or": [FILTER…]}, {"not": FILTER}, {"field": NAME, "in": [VALUE…]}'
    ', {"field": NAME, "at_least" | "at_most" | "above" | "below": NUMBER}, {"labels": [CLASS…]};'
    " fields are label, predicted, group, id, has (modalities), time if the data set has times"
    " (bounds in RFC 3339), and MODALITY.COLUMN of fields"
)


def search_type(
    limits: Limits, record: type[BaseModel], known: str | None = None
) -> type[BaseModel]:
    """The request of ``POST /v1/search``.

    Args:
        limits: what the service accepts.
        record: the type of one record.
        known: the id of a record of the index, for an example.
    """
    name, target = limits.first("text"), limits.first("bytes")
    query = {name: limits.example()[name]}
    plain: dict[str, Any] = {"query": query, "target": target, "k": 5}
    mixed: dict[str, Any] = {
        "like": [{"query": query, "weight": 2.0}],
        "filter": {"and": [{"field": "has", "in": [name]}, {"not": {"field": "id", "in": ["x"]}}]},
        "explain": True,
        "hubness": True,
    }
    more: list[Any] = [{"id": known, "unlike": [{"query": query, "weight": 0.5}]}] if known else []
    term: Any = _term_type(record, query)
    one: Any = record
    most = limits.serving.max_batch
    terms: Any = Annotated[list[term], Field(max_length=most)]
    made: type[BaseModel] = create_model(
        "SearchRequest",
        __config__=ConfigDict(
            extra="forbid", json_schema_extra={"examples": [plain, mixed, *more]}
        ),
        query=(
            one | None,
            _field(None, "any subset of the modalities; several are searched as one"),
        ),
        id=(str | None, _field(None, "more like this record of the index")),
        like=(
            terms | None,
            _field(None, "more like these, by weight; in addition to query and id"),
        ),
        unlike=(terms | None, _field(None, "less like these")),
        by=(str | None, _field(None, "search by this modality of the examples alone")),
        target=(str, _field(FUSED, f"what is searched: {', '.join(limits.targets)}")),
        k=(Annotated[int, Field(ge=1, le=MAX_HITS, strict=True)], _field(HITS, "hits wanted")),
        after=(
            Annotated[str, Field(max_length=_MAX_CURSOR)] | None,
            _field(None, "`next` of the previous page"),
        ),
        filter=(_filter() | None, _field(None, "which records may be found")),
        hubness=(
            StrictBool,
            _field(False, "correct for records that are near to almost every query"),
        ),
        explain=(
            StrictBool,
            _field(
                False, "add the cosine with each modality of a hit, and how examples were joined"
            ),
        ),
    )
    return described(made, "A search for records by any modality, in any modality.")


def _term_type(record: type[BaseModel], query: dict[str, Any]) -> type[BaseModel]:
    """One example: a record, or the id of one."""
    one: Any = record
    made: type[BaseModel] = create_model(
        "Example",
        __config__=ConfigDict(
            extra="forbid", json_schema_extra={"examples": [{"query": query, "weight": 1.0}]}
        ),
        query=(one | None, _field(None, "any subset of the modalities")),
        id=(str | None, _field(None, "of a record of the index, instead of a query")),
        weight=(
            Annotated[float, Field(gt=0, le=_MAX_WEIGHT, allow_inf_nan=False)],
            _field(1.0, "how much it counts relative to the others"),
        ),
    )
    return described(made, "An example of what is wanted, or of what is not.")


def _filter() -> Any:  # noqa: ANN401 - a type of pydantic
    schema = {
        "type": "object",
        "description": _FORMS,
        "examples": [{"not": {"field": "has", "in": ["text"]}}],
    }
    return Annotated[dict[str, Any], WithJsonSchema(schema)]


def _field(default: object, words: str) -> Any:  # noqa: ANN401 - a field of pydantic
    return Field(default=default, description=words)
