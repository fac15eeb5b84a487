"""A set of classes for each record, perhaps the empty one.

Source: one sigmoid for each class (binary relevance), Tsoumakas & Katakis 2007, Multi-label
classification: an overview. One temperature serves all classes: a rare class has too few records to
fit its own, a temperature does not change the order of records within a class, and what is decided
follows from each class's own threshold.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from components.parts import label_sets as formulas
from components.parts.label_sets import Sets

if TYPE_CHECKING:
    from torch import Tensor

METHOD = {
    "id": "H03",
    "name": "a threshold for each class by its best F1",
    "for": "sets of classes that differ in how common they are",
    "needs": "sets of classes; held-out labelled records, of which the folds make some",
    "use": "target: {column: COLUMN, kind: multi}",
}
METRICS = ("macro_map", "macro_f1", "micro_f1")
CELLS = "set"
_UNKNOWN = -1


@dataclass(frozen=True, kw_only=True)
class Config:
    """A set of classes has nothing to choose."""


class MultiTarget:
    """A set of classes for each record; labels are ``(n, classes)`` int8.

    A cell is 1 where the record has the class, 0 where it has not, and -1 where nobody knows. A
    record without a label has -1 everywhere; the empty set is a label, "none of them".

    Attributes:
        classes: class names, in the order of the logits.
        thresholds: least probability at which each class is given; one half where none are set.
    """

    primary = "macro_map"

    activation: Literal["softmax", "sigmoid"] | None = "sigmoid"

    def __init__(self, classes: Sequence[str], thresholds: Sequence[float] | None = None) -> None:
        self.classes = list(classes)
        given = [formulas.DEFAULT_THRESHOLD] * len(self.classes)
        self.thresholds = given if thresholds is None else [float(t) for t in thresholds]
        self._number = {name: number for number, name in enumerate(self.classes)}

    @property
    def width(self) -> int:
        """Number of logits of one record."""
        return len(self.classes)

    def encode(self, labels: Sequence[Sequence[str] | None]) -> Sets:
        """Code sets as the records hold them, ``(n, classes)``; unknown names are left out."""
        codes = self.unlabelled(len(labels))
        for row, names in enumerate(labels):
            if names is not None:
                codes[row] = 0
                codes[row, [self._number[name] for name in names if name in self._number]] = 1
        return codes

    def decode(self, labels: Sets) -> list[list[str] | None]:
        """The class names of coded sets ``(n, classes)``, in order; None without a label."""
        known = self.labelled(labels).tolist()
        return [
            [self.classes[c] for c in np.flatnonzero(row == 1)] if yes else None
            for row, yes in zip(labels, known, strict=True)
        ]

    def labelled(self, labels: Sets) -> NDArray[np.bool_]:
        """Which records ``(n,)`` have a label."""
        return np.asarray((labels >= 0).any(axis=1), dtype=np.bool_)

    def unlabelled(self, n: int) -> Sets:
        """Coded labels ``(n, classes)`` of records without a label."""
        return np.full((n, self.width), _UNKNOWN, dtype=np.int8)

    def soft(self, labels: "Tensor", smoothing: float) -> "Tensor":
        """Probability ``(batch, classes)`` of each class, from labels ``(batch, classes)``.

        ``smoothing`` moves it towards one half; it is NaN where nobody knows.
        """
        import torch

        found = labels.float() * (1 - smoothing) + smoothing / 2
        return torch.where(labels < 0, torch.nan, found)

    def cross_entropy(self, logits: "Tensor", soft: "Tensor") -> "Tensor":
        """``(batch,)``: mean binary cross-entropy over the known classes of each record."""
        import torch
        from torch.nn.functional import binary_cross_entropy_with_logits

        known = ~soft.isnan()
        cells = binary_cross_entropy_with_logits(
            logits.float(), torch.where(known, soft, 0.0), reduction="none"
        )
        return torch.where(known, cells, 0.0).sum(dim=1) / known.sum(dim=1).clamp_min(1)

    def probabilities(
        self, logits: NDArray[np.floating], calibration: float = 1.0
    ) -> NDArray[np.float64]:
        """Calibrated probability ``(n, classes)`` of each class, from logits ``(n, classes)``."""
        return formulas.sigmoid(logits, calibration)

    def calibrate(self, logits: NDArray[np.floating], labels: Sets) -> float:
        """The temperature that makes the labels most likely; 1 where no record is labelled."""
        return formulas.fit_temperature(logits, labels)

    def fit_thresholds(self, probabilities: NDArray[np.floating], labels: Sets) -> list[float]:
        """The thresholds ``(classes,)`` with the best F1 of each class.

        Args:
            probabilities: ``(n, classes)`` of records that no part of the model was fitted to, as
                those out of fold.
            labels: their labels ``(n, classes)``.
        """
        found: list[float] = formulas.best_thresholds(labels, probabilities).tolist()
        return found

    def with_thresholds(self, thresholds: Sequence[float] | None) -> "MultiTarget":
        """The same target with other thresholds; None: one half."""
        return MultiTarget(self.classes, thresholds)

    def decide(self, scores: NDArray[np.floating]) -> Sets:
        """The predicted sets ``(n, classes)``, from probabilities ``(n, classes)``.

        A record whose scores are NaN gets no label.
        """
        decided = (scores >= np.array(self.thresholds)).astype(np.int8)
        decided[np.isnan(scores).any(axis=1)] = _UNKNOWN
        return decided

    def answers(self, probabilities: NDArray[np.floating]) -> NDArray[np.float32]:
        """The probabilities themselves: average precision needs their order."""
        return np.asarray(probabilities, dtype=np.float32)

    def baseline(self, labels: Sets, n: int) -> NDArray[np.float32]:
        """The share of each class among the labelled records, for each record ``(n, classes)``."""
        return np.tile(self.shares(labels).astype(np.float32), (n, 1))

    def counts(self, labels: Sets) -> NDArray[np.int64]:
        """How many records ``(classes,)`` have each class."""
        found: NDArray[np.int64] = (labels == 1).sum(axis=0)
        return found

    def shares(self, labels: Sets) -> NDArray[np.float64]:
        """Share ``(classes,)`` of the records with each class among those where it is known."""
        found: NDArray[np.float64] = self.counts(labels) / np.maximum((labels >= 0).sum(axis=0), 1)
        return found

    def metrics(self, labels: Sets, answers: NDArray[np.floating]) -> dict[str, float]:
        """The figures ``METRICS`` of probabilities ``(n, classes)``; NaN without a labelled one."""
        micro, macro = formulas.f1_scores(labels, self.decide(answers))
        found = formulas.macro_map(labels, answers)
        return {"macro_map": found, "macro_f1": macro, "micro_f1": micro}

    def cells(
        self, probabilities: NDArray[np.floating], labels: Sets
    ) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
        """Every yes or no as a case of its own: ``(cells, 2)`` and which is right, ``(cells,)``."""
        known = labels >= 0
        yes = probabilities[known]
        return np.stack([1 - yes, yes], axis=1), labels[known].astype(np.int64)

    def columns(self) -> list[tuple[str, str]]:
        """Names and Arrow types of the columns of an answer table."""
        return [
            ("labels", "list<string>"),
            *((f"probability_{name}", "float64") for name in self.classes),
        ]

    def row(self, probabilities: NDArray[np.floating]) -> dict[str, Any]:
        """The columns of one answer, of its probabilities ``(classes,)``."""
        (labels,) = self.decode(self.decide(probabilities[None]))
        values = zip(self.classes, probabilities.tolist(), strict=True)
        return {"labels": labels, **{f"probability_{name}": p for name, p in values}}


def build(config: Config, *, classes: Sequence[str]) -> MultiTarget:  # noqa: ARG001
    """A target of these classes, with thresholds of one half."""
    return MultiTarget(classes)
