"""The shape of ``metrics.json``: every figure of one run, all of them on the test split."""

import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

FIGURES = {
    "accuracy": "Accuracy",
    "macro_map": "Macro mAP",
    "macro_f1": "Macro-F1",
    "micro_f1": "Micro-F1",
}
"""Figures as people read them, in the order of tables."""


def _number(value: object) -> object:
    return None if isinstance(value, float) and math.isnan(value) else value


def _is_none(value: object) -> bool:
    return value is None


Figure = Annotated[float | None, BeforeValidator(_number)]
"""A figure; ``null`` without rows to compute it from."""


class _Figures(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, serialize_by_alias=True
    )


class Classification(_Figures):
    """How good a model is on all labelled test records; null what its target does not measure."""

    accuracy: Figure = Field(default=None, description="share of right answers; one class")
    macro_map: Figure = Field(default=None, description="mean average precision; sets of classes")
    macro_f1: Figure = None
    micro_f1: Figure = Field(default=None, description="of all decisions; sets of classes")

    def figure(self, name: str | None) -> float | None:
        """A figure by name, as a target calls its primary one; None without a name."""
        found: float | None = None if name is None else getattr(self, name)
        return found


class SubsetFigures(Classification):
    """The chosen model when it sees only these modalities, on the records that have all of them."""

    ece: Figure
    brier: Figure = None
    nll: Figure = None
    n: int = Field(description="records")


class CurveFigures(_Figures):
    """The primary figure at each missing rate, when modalities are missing by one pattern."""

    values: list[Figure]
    area: Figure = Field(description="mean over the range of rates")
    fall: Figure = Field(description="from nothing more missing to the highest rate")


class MissingFigures(_Figures):
    """The chosen model when more and more of what test records have is hidden."""

    rates: list[float]
    patterns: dict[str, CurveFigures] = Field(description="how what is missing was chosen")


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

    accuracy_where_present: Figure = None
    macro_map_where_present: Figure = None
    n: int = Field(description="records that have the modality")


class NamedSingle(SingleFigures):
    """The single-modality model that is best on records that were held out."""

    name: str


class Majority(_Figures):
    """How good answers are that are made from the shares of the classes alone."""

    accuracy: Figure = None
    macro_map: Figure = None


class ClassFigures(_Figures):
    """One class of a target with sets of classes."""

    n: int = Field(description="test records that have the class")
    average_precision: Figure
    threshold: float = Field(description="least probability at which the class is given")
    precision: Figure
    recall: Figure
    f1: Figure


class CoverageFigures(_Figures):
    """Answers when the model abstains where it is not sure; one class for each record."""

    threshold: float = Field(
        description="least confidence that is an answer, from held-out training records"
    )
    answered: float = Field(description="share of the records with at least that confidence")
    accuracy_answered: Figure = Field(description="among those; null where there is none")
    accuracy_at_50: Figure = Field(description="among the surest half of the records")
    accuracy_at_80: Figure = None
    accuracy_at_90: Figure = None


class ModalityReliance(_Figures):
    """How much the answers rest on one modality."""

    importance: Figure = Field(description="what the figure loses when it is shuffled over records")
    alone: Figure = Field(description="the figure from it alone, on records that have it")
    follows: Figure = Field(
        description="share of answers that are its class, where it is of a record of another class"
    )
    resists: Figure = Field(description="share that stays the record's own class there")
    shortcut: bool = Field(description="nearly as good alone as all, and no other matters")


class RelianceFigures(_Figures):
    """What the chosen model's answers rest on."""

    figure: str
    whole: Figure
    modalities: dict[str, ModalityReliance] = Field(description="the most important first")
    solvable_by_one: Figure = Field(description="share of records that one alone answers right")
    n: int = Field(description="records; a sample of very many")


class LeakPairs(_Figures):
    """Copies between two splits."""

    split: str
    other: str
    pairs: int


class LeakFigures(_Figures):
    """Test records with the very content of a record of an earlier split, in some modality."""

    figure: str
    pairs: list[LeakPairs]
    by_modality: dict[str, int] = Field(description="pairs across splits")
    records: int = Field(description="labelled test records")
    leaked: int
    all: Figure
    without_leaks: Figure


class ComposerFigures(_Figures):
    """A learned composer beside the plain sum, on triplets of training records it did not see."""

    reference: str = Field(description="modality that is changed, and searched")
    text: str = Field(description="modality that names the change")
    kept: bool = Field(description="whether searches use it")
    composer: Figure = Field(description="recall@10")
    sum: Figure = Field(description="recall@10 of the plain sum")
    standard_error: Figure = Field(description="of their difference")
    learned: int = Field(description="triplets that it learned from")
    judged: int = Field(description="held-out triplets")
    gallery: int = Field(description="records that were searched")


class LabelBudget(_Figures):
    """All labels that the run could fit or select on."""

    train: int
    val: int
    total: int
    by_class: dict[str, dict[str, int]] | None = Field(
        default=None, description="records with each class, of a target with sets of classes"
    )


class IntervalFigures(_Figures):
    """A difference of primary figures on the same records, with its paired bootstrap interval."""

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
    chosen_minus_committee: IntervalFigures | None = Field(
        default=None, description="what is kept beside the light heads on the labels alone"
    )
    student_minus_supervised_only: IntervalFigures | None


class Metrics(Classification):
    """The figures of one run."""

    primary: str | None = Field(
        default="accuracy", description="the figure that decides; null where nothing is predicted"
    )
    ece: Figure = Field(description="expected calibration error, 15 bins")
    brier: Figure = Field(default=None, description="mean squared error of the probabilities")
    nll: Figure = Field(default=None, description="mean negative log-likelihood of the labels")
    n: int = Field(description="labelled test records")
    by_subset: dict[str, SubsetFigures] = Field(description="keys like `image+text`")
    missing: MissingFigures | None = Field(
        default=None,
        description="null with one modality, or where not every subset of them was measured",
    )
    retrieval: dict[str, RetrievalFigures] = Field(description="keys like `text->image`")
    committee: Classification | None = Field(
        default=None, description="the light heads on the visible labels alone; null without them"
    )
    supervised_only: Classification = Field(
        description="the network fitted without pseudo-labels, as long as the student"
    )
    student: Classification = Field(
        description="the network fitted with pseudo-labels, whatever answers"
    )
    best_single: NamedSingle | None
    singles: dict[str, SingleFigures]
    concat: Classification | None = Field(
        description="plain concatenation; null where it is the chosen fusion"
    )
    majority: Majority
    by_class: dict[str, ClassFigures] | None = Field(
        default=None, description="of a target with sets of classes"
    )
    coverage: CoverageFigures | None = Field(
        default=None, description="null where a record has no class, or a set of them"
    )
    recall_10: Figure = Field(
        default=None, alias="recall@10", description="mean over all directions of search"
    )
    reliance: RelianceFigures | None = Field(
        default=None, description="null with one modality, or where nothing is predicted"
    )
    leaks: LeakFigures | None = Field(
        default=None, description="null where no content is in two splits"
    )
    composer: ComposerFigures | None = Field(
        default=None, exclude_if=_is_none, description="absent where the run learns none"
    )
    label_budget: LabelBudget
    intervals: Intervals
    selection: dict[str, Any]
    pseudo: dict[str, Any]

    @property
    def students(self) -> list[tuple[Classification, str]]:
        """The network, and what it learned from; only once where there are no pseudo-labels."""
        if not self.pseudo.get("accepted"):
            return [(self.student, "visible labels alone")]
        return [
            (self.student, "with pseudo-labels"),
            (self.supervised_only, "without pseudo-labels"),
        ]

    @property
    def answering(self) -> str:
        """What gives the answers: the committee, the network, or both, with shares if not even."""
        kept, share = str(self.selection.get("kept", "model")), self.selection.get("share", 0.5)
        if kept != "mix":
            return kept
        if share == 0.5:
            return "committee and student"
        return f"committee ({1 - share:.0%}) and student ({share:.0%})"


def figure_names(metrics: Metrics) -> list[str]:
    """The figures of the target that was measured, the primary one first."""
    given = [name for name in FIGURES if metrics.figure(name) is not None]
    return sorted(given, key=lambda name: name != metrics.primary)


def schema() -> dict[str, Any]:
    """JSON schema of ``metrics.json``."""
    return Metrics.model_json_schema(by_alias=True)
