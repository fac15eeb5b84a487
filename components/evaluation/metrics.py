"""The shape of ``metrics.json``: every figure of one run, all of them on the test split."""

import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _number(value: object) -> object:
    return None if isinstance(value, float) and math.isnan(value) else value


Figure = Annotated[float | None, BeforeValidator(_number)]
"""A figure; ``null`` where there are no rows to take it from."""


class _Figures(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, serialize_by_alias=True
    )


class Classification(_Figures):
    """How often a model is right on all test records."""

    accuracy: Figure
    macro_f1: Figure


class SubsetFigures(Classification):
    """The chosen model when it sees only these modalities, on the records that have all of them."""

    ece: Figure
    n: int = Field(description="records")


class RetrievalFigures(_Figures):
    """Search from one modality to another, hits counted by group."""

    recall_1: Figure = Field(alias="recall@1")
    recall_5: Figure = Field(alias="recall@5")
    recall_10: Figure = Field(alias="recall@10")
    mrr: Figure
    n: int = Field(description="queries that have something to find")
    gallery: int | None = Field(
        default=None, description="records that were searched; null in figures of earlier versions"
    )


class SingleFigures(Classification):
    """A model of one modality; records without it get the majority class of the training labels."""

    accuracy_where_present: Figure
    n: int = Field(description="records that have the modality")


class NamedSingle(SingleFigures):
    """The single-modality model that is best on the validation split."""

    name: str


class Accuracy(_Figures):
    """How often the majority class is right."""

    accuracy: Figure


class LabelBudget(_Figures):
    """All labels that the run could fit or select on."""

    train: int
    val: int
    total: int


class IntervalFigures(_Figures):
    """A difference of accuracies on the same records, with its 95% paired bootstrap interval."""

    difference: Figure
    low: Figure
    high: Figure
    n: int | None = Field(default=None, description="records; null in figures of earlier versions")


class Intervals(_Figures):
    """Gains with their intervals."""

    fused_minus_best_single: IntervalFigures | None = Field(
        description="a record without the single modality has the majority class as its answer"
    )
    fused_minus_best_single_complete: IntervalFigures | None = Field(
        default=None,
        description="on the records that have every modality: the gain without that of coverage",
    )
    fused_minus_concat: IntervalFigures | None = None
    student_minus_supervised_only: IntervalFigures | None


class Metrics(Classification):
    """The figures of one run."""

    ece: Figure = Field(description="expected calibration error, 15 bins")
    n: int = Field(description="labelled test records")
    by_subset: dict[str, SubsetFigures] = Field(description="keys like `image+text`")
    retrieval: dict[str, RetrievalFigures] = Field(description="keys like `text->image`")
    supervised_only: Classification = Field(
        description="the teacher: fitted on the visible labels alone"
    )
    student: Classification = Field(description="the model fitted with pseudo-labels, kept or not")
    best_single: NamedSingle | None
    singles: dict[str, SingleFigures]
    concat: Classification | None = Field(
        description="plain concatenation; null where it is the chosen fusion"
    )
    majority: Accuracy
    label_budget: LabelBudget
    intervals: Intervals
    selection: dict[str, Any]
    pseudo: dict[str, Any]


def schema() -> dict[str, Any]:
    """JSON schema of ``metrics.json``."""
    return Metrics.model_json_schema(by_alias=True)
