"""Requests over HTTP: types whose fields are the modalities of the served model package."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, WithJsonSchema, create_model

from components.core.values import as_text
from serving.interface.limits import Limits


def record_type(limits: Limits) -> type[BaseModel]:
    """The type of one record: any subset of the package's modalities, and nothing else."""
    fields: dict[str, Any] = {}
    for name, modality in limits.modalities.items():
        hint: Any = dict[str, Any] if modality.raw == "fields" else str
        shown = WithJsonSchema({"anyOf": [modality.schema, {"type": "null"}]})
        told = Field(default=None, description=modality.accepts)
        fields[name] = (Annotated[hint | None, shown], told)
    config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra={"examples": [limits.example()]}
    )
    return described(
        create_model("Record", __config__=config, **fields),
        "One record: any subset of the modalities, at least one.",
    )


def classify_type(limits: Limits, record: type[BaseModel]) -> type[BaseModel]:
    """The request of ``POST /v1/classify``."""
    example = limits.example()
    single = [{name: value} for name, value in example.items()][:1]
    made: type[BaseModel] = create_model(
        "ClassifyRequest",
        __config__=ConfigDict(
            extra="forbid",
            json_schema_extra={"examples": [{"records": [example, *single], "explain": True}]},
        ),
        records=_records(limits, record),
        explain=(
            StrictBool,
            Field(default=False, description="add the answer of each modality alone"),
        ),
    )
    return described(made, "Records to classify.")


def embed_type(limits: Limits, record: type[BaseModel]) -> type[BaseModel]:
    """The request of ``POST /v1/embed``."""
    made: type[BaseModel] = create_model(
        "EmbedRequest",
        __config__=ConfigDict(
            extra="forbid", json_schema_extra={"examples": [{"records": [limits.example()]}]}
        ),
        records=_records(limits, record),
    )
    return described(made, "Records to embed.")


def _records(limits: Limits, record: Any) -> Any:  # noqa: ANN401 - a field of pydantic
    records: Any = Annotated[list[record], Field(min_length=1, max_length=limits.serving.max_batch)]
    return (records, Field(description=f"1 to {limits.serving.max_batch} records"))


def described(made: type[BaseModel], words: str) -> type[BaseModel]:
    """A type with its description."""
    made.__doc__ = words
    return made


def named(value: object) -> object:
    """A class as it is named, also where it is sent as a number or a truth value."""
    return as_text(value) if isinstance(value, bool | int | float) else value
