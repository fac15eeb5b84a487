"""Responses over HTTP."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """A response has these fields and no others."""

    model_config = ConfigDict(extra="forbid")


class ModelRef(Strict):
    """Which model gave an answer."""

    name: str
    version: int | None
    """Version in the registry; null if the Bento runs without one."""
    package_digest: str


class Contribution(Strict):
    """The answer from one modality of a record alone."""

    label: str | None = None
    """Its most probable class; null if a record has a set of classes."""
    labels: dict[str, float] | None = None
    """The classes that it gives, to their probabilities, where a record has a set of them."""
    confidence: float | None = None
    """Calibrated probability of ``label``."""
    probability: float | None = None
    """Calibrated probability that it gives to the answer's label."""


class Answer(Strict):
    """The class of one record."""

    answer_id: str
    """Identifies this answer in feedback."""
    label: str
    confidence: float
    """Calibrated probability of ``label``."""
    probabilities: dict[str, float]
    """Calibrated, of every class."""
    abstained: bool
    """Whether answers of so little confidence were more often wrong than right on held-out training
    records: ``label`` is then a guess."""
    ood_score: float | None
    """How far the record is from what the model learned from, by the modalities that it has.

    0.99: farther than 99 of 100 training records; null if the model keeps none to compare."""
    modalities: list[str]
    """The modalities of the record, on which the answer is based."""
    contributions: dict[str, Contribution] | None = None
    """Modality to the answer from it alone, with `explain`."""


class SetAnswer(Strict):
    """The classes of one record, where a record has a set of them."""

    answer_id: str
    """Identifies this answer in feedback."""
    labels: dict[str, float]
    """Each class that is given, to its calibrated probability; may be empty.

    A class is given if its probability reaches its threshold."""
    probabilities: dict[str, float]
    """Calibrated, of every class by itself: they do not add up to 1."""
    ood_score: float | None
    """How far the record is from what the model learned from, by the modalities that it has.

    0.99: farther than 99 of 100 training records; null if the model keeps none to compare."""
    modalities: list[str]
    """The modalities of the record, on which the answer is based."""
    contributions: dict[str, Contribution] | None = None
    """Modality to the answer from it alone, with `explain`."""


class ClassifyResponse(Strict):
    """Answers in the order of the records."""

    model: ModelRef
    answers: list[Answer] | list[SetAnswer]


class FieldInfo(Strict):
    """One field of a modality of fields."""

    name: str
    type: str
    """``number``, ``category`` or ``set``."""
    unit: str | None
    separator: str | None
    """Separates the members of a set that is sent as text."""
    default: Any
    """What a field that is left out, null or blank stands for; null if it is missing then."""
    values: list[str] | None = None
    """Texts that records have in it, most frequent first; null where there are more than 50."""
    lowest: float | None = None
    highest: float | None = None
    """The range of its numbers in the records of the package."""


class ModalityInfo(Strict):
    """One modality and its limits."""

    name: str
    kind: str
    raw: str
    """``bytes`` (base64 over HTTP), ``text`` or ``fields``."""
    accepts: str
    columns: list[str] | None = None
    fields: list[FieldInfo] | None = None
    limits: dict[str, Any]


class RuntimeInfo(Strict):
    """What computes the model."""

    name: str
    """``onnx`` or ``torch``."""
    reason: str
    """The parts that torch computes, and why; empty if there are none."""


class ModelInfo(ModelRef):
    """The model that is served."""

    classes: list[str]
    """Empty if the model has no classifier: it finds records, and refuses to classify."""
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
    timed: bool
    """Whether records may have a time, by which a search can filter."""
    runtime: RuntimeInfo
    metrics: dict[str, Any]
    """As evaluated before it was packaged."""
    card: str | None
    """The model card in Markdown."""


class Problem(Strict):
    """One thing that is wrong with a request."""

    field: str
    got: str
    wanted: str


class Refusal(Strict):
    """Why a request was refused."""

    message: str
    problems: list[Problem]
