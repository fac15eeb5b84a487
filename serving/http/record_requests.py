"""Requests that write records."""

import re
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    create_model,
)

from components.core.moments import WANTED, seconds_of
from components.parts.filters import MAX_VALUES
from serving.http.requests import described
from serving.interface.limits import Limits

_MAX_ID = 200
_OF_PREVIEW = re.compile(r".*/media/[^/]*", re.DOTALL)


def _addressable(text: str) -> str:
    """Accept an id that an address can name."""
    if not text.isprintable() or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("an id of printable characters, without line breaks or control characters")
    if text in (".", "..") or _OF_PREVIEW.fullmatch(text):
        raise ValueError(
            "an id that an address can name: not `.`, `..` or one that ends in /media/…"
        )
    return text


Id = Annotated[str, Field(min_length=1, max_length=_MAX_ID), AfterValidator(_addressable)]
"""Id of a record that users write."""


def upsert_type(limits: Limits, record: type[BaseModel], *, timed: bool) -> type[BaseModel]:
    """The request of ``PUT /v1/records/ID``; ``timed``: a record may have a time."""
    example: dict[str, Any] = {"record": limits.example(), "label": _label(limits)}
    made: type[BaseModel] = create_model(
        "UpsertRequest",
        __config__=ConfigDict(extra="forbid", json_schema_extra={"examples": [example]}),
        **_fields(limits, record, timed=timed),
    )
    return described(made, "A record to add, or to replace the one with this id.")


def upserts_type(limits: Limits, record: type[BaseModel], *, timed: bool) -> type[BaseModel]:
    """The request of ``POST /v1/records``; ``timed``: a record may have a time."""
    most = limits.serving.max_batch
    item: Any = create_model(
        "NamedRecord",
        __config__=ConfigDict(
            extra="forbid",
            json_schema_extra={"examples": [{"id": "a", "record": limits.example()}]},
        ),
        id=(Id, Field(description="id of the record")),
        **_fields(limits, record, timed=timed),
    )
    described(item, "A record with its id.")
    made: type[BaseModel] = create_model(
        "UpsertsRequest",
        __config__=ConfigDict(
            extra="forbid",
            json_schema_extra={
                "examples": [{"records": [{"id": "example-2", "record": limits.example()}]}]
            },
        ),
        records=(
            Annotated[list[item], Field(min_length=1, max_length=most)],
            Field(description=f"1 to {most} records of different ids"),
        ),
    )
    return described(made, "Records to add, or to replace those with the same ids.")


class DeleteRequest(BaseModel):
    """Records to delete; ids that do not exist are ignored."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"ids": ["example-2"]}]}
    )

    ids: Annotated[list[str], Field(min_length=1, max_length=MAX_VALUES)]


def _seconds(text: object) -> float:
    """Seconds since 1970 of a time in a request."""
    try:
        found = seconds_of(text) if isinstance(text, str) else None
    except (ValueError, OverflowError):
        found = None
    if found is None:
        raise ValueError(WANTED)
    return found


_When = Annotated[
    float,
    BeforeValidator(_seconds),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A time as RFC 3339 has it, as seconds since 1970."""


def _fields(limits: Limits, record: type[BaseModel], *, timed: bool) -> dict[str, Any]:
    words = "its label, if known: " + ("a list of classes" if _sets(limits) else "a class")
    when = {"time": (_When | None, Field(default=None, description="its time, in RFC 3339"))}
    return {
        "record": (record, Field(description="any subset of the modalities")),
        "label": (str | list[str] | None, Field(default=None, description=words)),
        **(when if timed else {}),
    }


def _label(limits: Limits) -> str | list[str] | None:
    first = limits.classes[0] if limits.classes else None
    return [first] if first and _sets(limits) else first


def _sets(limits: Limits) -> bool:
    return limits.target == "multi"
