"""Requests and responses over HTTP, with the limits of the served model package.

The fields of a record are the modalities of the package, so the request types are built from its
``model.json``, which is read without importing torch.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, create_model

from components.config.run import ServingConfig
from components.core.files import read_json
from components.core.names import FUSED
from components.core.values import as_text
from components.features.spec import ModalitySpec
from components.model.listing import check_code
from components.parts import loading as parts
from components.parts.own import OWN
from serving.defaults import HITS, MAX_HITS

_MEBIBYTE = 1 << 20


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True, kw_only=True)
class ServedModality:
    """What the service accepts as one modality of a record."""

    kind: str
    raw: str
    """``bytes`` (base64 over HTTP), ``text`` or ``fields``."""
    accepts: str
    schema: dict[str, Any]
    """JSON schema of a value over HTTP."""
    example: Any
    options: dict[str, Any]
    """Options of the kind, its limits."""
    fields: "list[FieldInfo] | None"
    """Fields of a modality of fields, sorted by name."""
    preview_type: Callable[[bytes | str], str]
    """Media type of a preview."""

    @classmethod
    def of(cls, name: str, spec: ModalitySpec) -> "ServedModality":
        """Ask the kind of a modality; this imports no torch."""
        module = parts.load("kinds", spec.kind, spec.base)
        config = parts.configure("kinds", spec.kind, spec.options, spec.base)
        kind = module.build(config, name=name, columns=spec.columns)
        columns = spec.columns.get("columns")
        return cls(
            kind=spec.kind,
            raw=spec.raw,
            accepts=module.ACCEPTS,
            schema=kind.schema(),
            example=kind.example(),
            options=spec.options,
            fields=_fields(columns) if columns else None,
            preview_type=module.preview_type,
        )


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the service accepts of one model package."""

    modalities: dict[str, ServedModality]
    """Sorted by name."""
    classes: list[str]
    target: str
    serving: ServingConfig
    max_request_bytes: int

    @classmethod
    def read(cls, package: Path) -> "Limits":
        """Read a package's ``model.json`` and ``config.yaml``.

        Raises:
            UserError: the package contains code that its list does not name, or that was changed.
        """
        check_code(package)  # kinds may be the user's own
        description: dict[str, Any] = read_json(package / "model.json")
        config = yaml.safe_load((package / "config.yaml").read_text(encoding="utf-8"))
        modalities = {
            name: ServedModality.of(name, ModalitySpec.parse(spec, package / OWN))
            for name, spec in sorted(description["modalities"].items())
        }
        media = max(int(m.options.get("max_bytes", 0)) for m in modalities.values())
        return cls(
            modalities=modalities,
            classes=[str(c) for c in description["classes"]],
            target=str(description.get("target", "single")),
            serving=ServingConfig.model_validate(config["serving"]),
            # One largest picture in base64 with line breaks always passes; many small ones share
            # the rest.
            max_request_bytes=max(32 * _MEBIBYTE, media * 3 // 2 + _MEBIBYTE),
        )

    def example(self) -> dict[str, Any]:
        """A record that the service can answer."""
        return {name: modality.example for name, modality in self.modalities.items()}

    def first(self, raw: str) -> str:
        """The first modality with this type of raw value, else the first of all."""
        return min(self.modalities, key=lambda n: (self.modalities[n].raw != raw, n))

    def described(self) -> list["ModalityInfo"]:
        """The modalities as ``GET /v1/model`` describes them."""
        return [
            ModalityInfo(
                name=name,
                kind=modality.kind,
                raw=modality.raw,
                accepts=modality.accepts,
                columns=[f.name for f in modality.fields] if modality.fields else None,
                fields=modality.fields,
                limits={k: v for k, v in sorted(modality.options.items()) if k.startswith("max_")},
            )
            for name, modality in self.modalities.items()
        ]


def _fields(columns: Mapping[str, Mapping[str, Any]]) -> "list[FieldInfo]":
    found = []
    for name, spec in sorted(columns.items()):
        null = spec.get("null")
        found.append(
            FieldInfo(
                name=name,
                type=spec["type"],
                unit=spec.get("unit"),
                separator=(spec.get("separator") or ",") if spec["type"] == "set" else None,
                default=null["default"] if isinstance(null, Mapping) else None,
            )
        )
    return found


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
            Field(default=FUSED, description=f"what is searched: {', '.join(targets(limits))}"),
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


def targets(limits: Limits) -> list[str]:
    """What can be searched: each modality, and the fused vector of all that a record has."""
    return [*limits.modalities, FUSED]


def _named(value: object) -> object:
    """A class as it is named, also where it is sent as a number or a truth value."""
    return as_text(value) if isinstance(value, bool | int | float) else value


class Filter(_Strict):
    """Which records of the index may be found."""

    labels: Annotated[list[Annotated[str, BeforeValidator(_named)]], Field(min_length=1)]
    """Only records with one of these labels; of sets of classes, those that hold one."""


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
    abstained: bool
    """Whether answers of so little confidence are more often wrong than right, as held-out training
    records tell: ``label`` is then a guess."""
    ood_score: float | None
    """How far the record is from what the model learned from, by the modalities that it has.

    0.99: farther than 99 of 100 training records; null where the model keeps none to compare."""
    modalities: list[str]
    """Those of the record, which the answer rests on."""


class SetAnswer(_Strict):
    """The classes of one record, where a record has a set of them."""

    labels: dict[str, float]
    """Each class that is given, to its calibrated probability; perhaps none.

    A class is given where its probability reaches its threshold."""
    probabilities: dict[str, float]
    """Calibrated, of every class by itself: they do not add up to 1."""
    ood_score: float | None
    """How far the record is from what the model learned from, by the modalities that it has.

    0.99: farther than 99 of 100 training records; null where the model keeps none to compare."""
    modalities: list[str]
    """Those of the record, which the answer rests on."""


class ClassifyResponse(_Strict):
    """Answers in the order of the records."""

    model: ModelRef
    answers: list[Answer] | list[SetAnswer]


class HitOut(_Strict):
    """One record that was found."""

    id: str
    score: float
    """Cosine of query and record, or the sum of reciprocal ranks.

    The latter is used when several modalities search in one modality's space.
    """
    label: str | list[str] | None
    """Its label, if known: a class, or a list where a record has a set of them."""
    predicted: str | list[str] | None
    """The model's own answer for it; null without a classifier."""
    media: dict[str, str]
    """Modality to the address of its preview."""


class SearchResponse(_Strict):
    """Hits, best first."""

    model: ModelRef
    target: str
    hits: list[HitOut]


class FieldInfo(_Strict):
    """One field of a modality of fields."""

    name: str
    type: str
    """``number``, ``category`` or ``set``."""
    unit: str | None
    separator: str | None
    """Separates the members of a set that is sent as text."""
    default: Any
    """What a field that is left out, null or blank stands for; null if it is missing then."""


class ModalityInfo(_Strict):
    """One modality and its limits."""

    name: str
    kind: str
    raw: str
    """``bytes`` (base64 over HTTP), ``text`` or ``fields``."""
    accepts: str
    columns: list[str] | None = None
    fields: list[FieldInfo] | None = None
    limits: dict[str, Any]


class ModelInfo(ModelRef):
    """The model that is served."""

    classes: list[str]
    """Empty where the model has no classifier: it finds records, and refuses to classify."""
    target: str
    """``single``: one class for each record; ``multi``: a set of them; ``none``: no classifier."""
    modalities: list[ModalityInfo]
    targets: list[str]
    max_batch: int
    max_request_bytes: int
    max_value_mb: int
    """Memory that decoding one value may take."""
    max_request_mb: int
    """Memory that decoding all values of one request may take."""
    max_hits: int
    records: int
    """Number of records in the index."""
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
