"""Nothing is predicted: the model aligns modalities and finds records, and has no classifier.

Source: two-tower models learned by contrast alone, CLIP, Radford et al. 2021 (arXiv:2103.00020).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

METRICS = ()
CELLS = "none"
Nothing = NDArray[np.int8]
"""``(n, 0)``: labels, logits and answers of ``n`` records."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Nothing has nothing to choose."""


class NoTarget:
    """No class and no label; every array has width 0.

    Attributes:
        classes: always empty.
        thresholds: always None.
    """

    primary = None
    thresholds = None

    activation: Literal["softmax", "sigmoid"] | None = None

    def __init__(self) -> None:
        self.classes: list[str] = []

    @property
    def width(self) -> int:
        """Number of logits of one record: 0."""
        return 0

    def encode(self, labels: Sequence[object]) -> Nothing:
        """Labels ``(n, 0)``; whatever the records hold is not read."""
        return self.unlabelled(len(labels))

    def decode(self, labels: Nothing) -> list[None]:
        """None for each record."""
        return [None] * len(labels)

    def labelled(self, labels: Nothing) -> NDArray[np.bool_]:
        """Which records ``(n,)`` have a label: none."""
        return np.zeros(len(labels), dtype=np.bool_)

    def unlabelled(self, n: int) -> Nothing:
        """Coded labels ``(n, 0)``."""
        return np.zeros((n, 0), dtype=np.int8)

    def soft(self, labels: "Tensor", smoothing: float) -> "Tensor":  # noqa: ARG002
        """Training targets ``(batch, 0)``."""
        return labels.float()

    def cross_entropy(self, logits: "Tensor", soft: "Tensor") -> "Tensor":  # noqa: ARG002
        """0 for each record, ``(batch,)``."""
        return logits.sum(dim=1)

    def probabilities(
        self,
        logits: NDArray[np.floating],
        calibration: float = 1.0,  # noqa: ARG002
    ) -> NDArray[np.float64]:
        """Probabilities ``(n, 0)``."""
        return np.asarray(logits, dtype=np.float64)

    def calibrate(self, logits: NDArray[np.floating], labels: Nothing) -> float:  # noqa: ARG002
        """Always 1."""
        return 1.0

    def fit_thresholds(self, probabilities: NDArray[np.floating], labels: Nothing) -> None:
        """Do nothing: there are no thresholds."""

    def with_thresholds(self, thresholds: Sequence[float] | None) -> "NoTarget":  # noqa: ARG002
        """The same target."""
        return self

    def decide(self, scores: NDArray[np.floating]) -> Nothing:
        """No label for any record, ``(n, 0)``."""
        return self.unlabelled(len(scores))

    def answers(self, probabilities: NDArray[np.floating]) -> Nothing:
        """No answer for any record, ``(n, 0)``."""
        return self.unlabelled(len(probabilities))

    def baseline(self, labels: Nothing, n: int) -> Nothing:  # noqa: ARG002
        """No answer for ``n`` records, ``(n, 0)``."""
        return self.unlabelled(n)

    def counts(self, labels: Nothing) -> NDArray[np.int64]:  # noqa: ARG002
        """Number of records of each class, ``(0,)``."""
        return np.zeros(0, dtype=np.int64)

    def shares(self, labels: Nothing) -> NDArray[np.float64]:  # noqa: ARG002
        """Share of each class, ``(0,)``."""
        return np.zeros(0)

    def metrics(self, labels: Nothing, answers: Nothing) -> dict[str, float]:  # noqa: ARG002
        """No figures."""
        return {}

    def cells(
        self,
        probabilities: NDArray[np.floating],  # noqa: ARG002
        labels: Nothing,  # noqa: ARG002
    ) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
        """No case, ``(0, 1)`` and ``(0,)``."""
        return np.zeros((0, 1)), np.zeros(0, dtype=np.int64)

    def columns(self) -> list[tuple[str, str]]:
        """No column."""
        return []

    def row(self, probabilities: NDArray[np.floating]) -> dict[str, Any]:  # noqa: ARG002
        """No column."""
        return {}


def build(config: Config, *, classes: Sequence[str]) -> NoTarget:  # noqa: ARG001
    """The target; classes are not read."""
    return NoTarget()
