"""Requests over HTTP: types whose fields are the modalities of the served model package."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, create_model

from components.core.names import FUSED
from components.core.values import as_text
from serving.defaults import HITS, MAX_HITS
from serving.http.limits import Limits


def record_type(limits: Limits) -> type[BaseModel]:
    """The type of one record: any subset of the package's modalities, and nothing else."""
    fields: dict[str, Any] = {}
    for name, modality in limits.modalities.items():
        hint: Any = dict[str, Any] if modality.raw == "fields" else str
        shown = WithJsonSchema({"anyOf": [modality.schema, {"type": "null"}]})
        described = Field(default=None, description=modality.accepts)
        fields[name] = (Annotated[hint | None, shown], described)
    config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra={"examples": [limits.example()]}
    )
    return _described(
        create_model("Record", __config__=config, **fields),
        "One record: any subset of the modalities, at least one.",
    )


def classify_type(limits: Limits) -> type[BaseModel]:
    """The request of ``POST /v1/classify``."""
    example = limits.example()
    single = [{name: value} for name, value in example.items()][:1]
    record: Any = record_type(limits)
    records: Any = Annotated[list[record], Field(min_length=1, max_length=limits.serving.max_batch)]
    made: type[BaseModel] = create_model(
        "ClassifyRequest",
        __config__=ConfigDict(
            extra="forbid", json_schema_extra={"examples": [{"records": [example, *single]}]}
        ),
        records=(records, Field(description=f"1 to {limits.serving.max_batch} records")),
    )
    return _described(made, "Records to classify.")


def search_type(limits: Limits) -> type[BaseModel]:
    """The request of ``POST /v1/search``."""
    name, target = limits.first("text"), limits.first("bytes")
    example: Any = {"query": {name: limits.example()[name]}, "target": target, "k": 5}
    made: type[BaseModel] = create_model(
        "SearchRequest",
        __config__=ConfigDict(extra="forbid", json_schema_extra={"examples": [example]}),
        query=(
            record_type(limits),
            Field(description="any subset of the modalities; several are searched as one"),
        ),
        target=(
            str,
            Field(default=FUSED, description=f"what is searched: {', '.join(limits.targets)}"),
        ),
        by=(
            str | None,
            Field(default=None, description="search by this modality of the query alone"),
        ),
        k=(
            Annotated[int, Field(ge=1, le=MAX_HITS, strict=True)],
            Field(default=HITS, description="hits wanted"),
        ),
        filter=(Filter | None, Field(default=None, description="which records may be found")),
    )
    return _described(made, "A search for records by any modality, in any modality.")


def _described(made: type[BaseModel], words: str) -> type[BaseModel]:
    made.__doc__ = words
    return made


def named(value: object) -> object:
    """A class as it is named, also where it is sent as a number or a truth value."""
    return as_text(value) if isinstance(value, bool | int | float) else value


class Filter(BaseModel):
    """Which records of the index may be found."""

    model_config = ConfigDict(extra="forbid")

    labels: Annotated[list[Annotated[str, BeforeValidator(named)]], Field(min_length=1)]
    """Only records with one of these labels; of sets of classes, those that hold one."""
