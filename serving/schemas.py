"""What the service takes and gives over HTTP, with the limits of the model package it serves.

The fields of a record are the modalities of the package, so the request types are built from its ``model.json``, which is
read without importing torch.
"""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, create_model

from components.core.files import read_json

MOST_HITS = 100
_MEDIA_KINDS = ("image", "audio")
_DEFAULT_BATCH = 64
_MEBIBYTE = 1 << 20
# A white pixel, small enough to read in the page of the interface.
_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8/5+hHgAHggJ/PchI7wAAAABJRU5ErkJggg=="
)

Number = int | float
FieldValue = Number | str | bool | list[str | Number] | None
"""One field of a tabular modality: a number, a category, a set, or null for missing."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the service accepts of one model package."""

    kinds: dict[str, str]
    """Modality name to kind."""
    options: dict[str, dict[str, Any]]
    columns: dict[str, list[str]]
    """Columns of each tabular modality."""
    classes: list[str]
    max_batch: int
    max_request_bytes: int

    @classmethod
    def read(cls, package: Path) -> "Limits":
        """Read a package's ``model.json`` and ``config.yaml``."""
        modalities: dict[str, Any] = read_json(package / "model.json")["modalities"]  # type: ignore[assignment]
        config = yaml.safe_load((package / "config.yaml").read_text(encoding="utf-8"))
        options = {name: dict(spec["options"]) for name, spec in modalities.items()}
        media = max((int(o.get("max_bytes", 0)) for o in options.values()), default=0)
        return cls(
            kinds={name: str(spec["kind"]) for name, spec in modalities.items()},
            options=options,
            columns={
                n: sorted(s["columns"]["columns"])
                for n, s in modalities.items()
                if s["kind"] == "tabular"
            },
            classes=[str(c) for c in read_json(package / "model.json")["classes"]],  # type: ignore[attr-defined]
            max_batch=int((config.get("serving") or {}).get("max_batch", _DEFAULT_BATCH)),
            # One largest picture in base64 always passes; many small ones share the rest.
            max_request_bytes=max(32 * _MEBIBYTE, media * 4 // 3 + _MEBIBYTE),
        )

    def example(self) -> dict[str, Any]:
        """A record that the service can answer."""
        made: dict[str, Any] = {}
        for name, kind in sorted(self.kinds.items()):
            if kind in _MEDIA_KINDS:
                made[name] = base64.b64encode(_PIXEL).decode()
            else:
                made[name] = (
                    "a few words about the record"
                    if kind == "text"
                    else dict.fromkeys(self.columns[name])
                )
        return made

    def described(self) -> list["ModalityInfo"]:
        """The modalities as ``GET /v1/model`` tells them."""
        return [
            ModalityInfo(
                name=name,
                kind=kind,
                accepts=_ACCEPTS[kind],
                columns=self.columns.get(name),
                limits={
                    k: v for k, v in sorted(self.options[name].items()) if k.startswith("max_")
                },
            )
            for name, kind in sorted(self.kinds.items())
        ]


_ACCEPTS = {
    "image": "an encoded picture (PNG, JPEG, WEBP, GIF, BMP or TIFF) in base64",
    "audio": "an encoded sound in base64",
    "text": "text",
    "tabular": "an object of fields; a field that is left out or null is missing",
}


def record_type(limits: Limits) -> type[BaseModel]:
    """The type of one record: any subset of the package's modalities, and nothing else."""
    fields: dict[str, Any] = {}
    for name, kind in sorted(limits.kinds.items()):
        hint = dict[str, FieldValue] if kind == "tabular" else str
        fields[name] = (hint | None, Field(default=None, description=_ACCEPTS[kind]))
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
    records: Any = Annotated[list[record], Field(min_length=1, max_length=limits.max_batch)]
    made: type[BaseModel] = create_model(
        "ClassifyRequest",
        __config__=ConfigDict(
            extra="forbid", json_schema_extra={"examples": [{"records": [example, *single]}]}
        ),
        records=(records, Field(description=f"1 to {limits.max_batch} records")),
    )
    return _described(made, "Records to classify.")


def search_type(limits: Limits) -> type[BaseModel]:
    """The request of ``POST /v1/search``."""
    name = sorted(limits.kinds, key=lambda n: (limits.kinds[n] != "text", n))[0]
    target = sorted(limits.kinds, key=lambda n: (limits.kinds[n] != "image", n))[0]
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
            Field(default="fused", description=f"what is searched: {', '.join(targets(limits))}"),
        ),
        by=(
            str | None,
            Field(default=None, description="search by this modality of the query alone"),
        ),
        k=(
            Annotated[int, Field(ge=1, le=MOST_HITS, strict=True)],
            Field(default=10, description="hits wanted"),
        ),
        filter=(Filter | None, Field(default=None, description="which records may be found")),
    )
    return _described(made, "A search for records by any modality, in any modality.")


def _described(made: type[BaseModel], words: str) -> type[BaseModel]:
    made.__doc__ = words
    return made


def targets(limits: Limits) -> list[str]:
    """What can be searched: each modality, and the fused vector of all that a record has."""
    return [*sorted(limits.kinds), "fused"]


class Filter(_Strict):
    """Which records of the index may be found."""

    labels: Annotated[list[str], Field(min_length=1)]
    """Only records with one of these labels."""


class ModelRef(_Strict):
    """Which model gave an answer."""

    name: str
    version: int | None
    """Version in the registry; null where the Bento runs without one."""
    package_digest: str


class Answer(_Strict):
    """The class of one record."""

    label: str
    confidence: float
    """Calibrated probability of ``label``."""
    probabilities: dict[str, float]
    """Calibrated, of every class."""
    modalities: list[str]
    """Those of the record, which the answer rests on."""


class ClassifyResponse(_Strict):
    """Answers in the order of the records."""

    model: ModelRef
    answers: list[Answer]


class HitOut(_Strict):
    """One record that was found."""

    id: str
    score: float
    """Cosine of query and record; for several modalities searched in one modality's space, the sum of reciprocal ranks."""
    label: str | None
    """Its label, where that is known."""
    predicted: str | None
    """The model's own answer for it."""
    media: dict[str, str]
    """Modality to the address of its preview."""


class SearchResponse(_Strict):
    """Hits, best first."""

    model: ModelRef
    target: str
    hits: list[HitOut]


class ModalityInfo(_Strict):
    """One modality and its limits."""

    name: str
    kind: str
    accepts: str
    columns: list[str] | None = None
    limits: dict[str, Any]


class ModelInfo(ModelRef):
    """The model that is served."""

    classes: list[str]
    modalities: list[ModalityInfo]
    targets: list[str]
    max_batch: int
    max_request_bytes: int
    max_hits: int
    records: int
    """In the index."""
    metrics: dict[str, Any]
    """As evaluated before it was packaged."""


class Problem(_Strict):
    """One thing that is wrong with a request."""

    field: str
    got: str
    wanted: str


class Refusal(_Strict):
    """Why a request was refused."""

    message: str
    problems: list[Problem]
