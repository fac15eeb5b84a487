"""One class for each record.

Source: softmax over classes, Bridle 1990; temperature scaling, Guo et al. 2017 (arXiv:1706.04599).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from components.parts.classification import accuracy, fit_temperature, macro_f1, softmax

if TYPE_CHECKING:
    from torch import Tensor

METRICS = ("accuracy", "macro_f1")
CELLS = "one"
_UNLABELLED = -1


@dataclass(frozen=True, kw_only=True)
class Config:
    """One class has nothing to choose."""


class SingleTarget:
    """One class for each record; labels are class numbers ``(n,)``, -1 without a label.

    Attributes:
        classes: class names, in the order of the logits.
        thresholds: None; the most probable class is given.
    """

    primary: str = "accuracy"
    thresholds = None

    activation: Literal["softmax", "sigmoid"] | None = "softmax"

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = list(classes)
        self._number = {name: number for number, name in enumerate(self.classes)}

    @property
    def width(self) -> int:
        """Number of logits of one record."""
        return len(self.classes)

    def encode(self, labels: Sequence[str | None]) -> NDArray[np.int64]:
        """Code labels as the records hold them, ``(n,)``; an unknown name is coded as no label."""
        codes = [self._number.get(name, _UNLABELLED) if name else _UNLABELLED for name in labels]
        return np.array(codes, dtype=np.int64)

    def decode(self, labels: NDArray[np.integer]) -> list[str | None]:
        """Class names of coded labels ``(n,)``; None without a label."""
        return [self.classes[code] if code >= 0 else None for code in labels.tolist()]

    def labelled(self, labels: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Which records ``(n,)`` have a label."""
        found: NDArray[np.bool_] = labels >= 0
        return found

    def unlabelled(self, n: int) -> NDArray[np.int64]:
        """Coded labels ``(n,)`` of records without a label."""
        return np.full(n, _UNLABELLED, dtype=np.int64)

    def soft(self, labels: "Tensor", smoothing: float) -> "Tensor":
        """Distributions ``(batch, classes)`` of labels ``(batch,)``.

        ``smoothing`` is spread evenly over all classes, and the label gets the rest; a record
        without a label gets the uniform distribution.
        """
        import torch

        shape = (len(labels), self.width)
        even = torch.full(shape, smoothing / self.width, device=labels.device)
        even[labels < 0] = 1.0 / self.width
        sure = (labels >= 0).to(even.dtype)[:, None] * (1 - smoothing)
        return even.scatter_add_(1, labels.clamp_min(0)[:, None], sure)

    def cross_entropy(self, logits: "Tensor", soft: "Tensor") -> "Tensor":
        """``-sum_c soft_c log softmax(logits)_c`` of each record, ``(batch,)``."""
        return -(soft * logits.float().log_softmax(dim=1)).sum(dim=1)

    def probabilities(
        self, logits: NDArray[np.floating], calibration: float = 1.0
    ) -> NDArray[np.float64]:
        """Calibrated probabilities ``(n, classes)`` of logits ``(n, classes)``."""
        return softmax(logits, calibration)

    def calibrate(self, logits: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
        """The temperature that makes the labels ``(n,)`` most likely under logits ``(n, classes)``.

        It is 1 where no record is labelled.
        """
        return fit_temperature(logits, labels)

    def fit_thresholds(
        self, probabilities: NDArray[np.floating], labels: NDArray[np.integer]
    ) -> None:
        """Do nothing: there are no thresholds."""

    def with_thresholds(self, thresholds: Sequence[float] | None) -> "SingleTarget":  # noqa: ARG002
        """The same target."""
        return self

    def decide(self, scores: NDArray[np.floating]) -> NDArray[np.int64]:
        """The predicted class ``(n,)`` by logits or probabilities ``(n, classes)``.

        A record whose scores are NaN gets no label.
        """
        known = ~np.isnan(scores).any(axis=1)
        found: NDArray[np.int64] = np.where(
            known, np.nan_to_num(scores).argmax(axis=1), _UNLABELLED
        )
        return found

    def answers(self, probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
        """The predicted class ``(n,)``: the figures need no more."""
        return self.decide(probabilities)

    def baseline(self, labels: NDArray[np.integer], n: int) -> NDArray[np.int64]:
        """Predict the most frequent class of the labelled records for each record, ``(n,)``."""
        return np.full(n, self.counts(labels).argmax(), dtype=np.int64)

    def counts(self, labels: NDArray[np.integer]) -> NDArray[np.int64]:
        """How many records ``(classes,)`` have each class."""
        return np.bincount(labels[self.labelled(labels)], minlength=self.width)

    def shares(self, labels: NDArray[np.integer]) -> NDArray[np.float64]:
        """Share ``(classes,)`` of each class among the labelled records."""
        counts = self.counts(labels)
        found: NDArray[np.float64] = counts / counts.sum()
        return found

    def metrics(
        self, labels: NDArray[np.integer], answers: NDArray[np.integer]
    ) -> dict[str, float]:
        """The figures ``METRICS`` of predictions ``(n,)`` on labelled records; NaN without any."""
        return {"accuracy": accuracy(labels, answers), "macro_f1": macro_f1(labels, answers)}

    def cells(
        self, probabilities: NDArray[np.floating], labels: NDArray[np.integer]
    ) -> tuple[NDArray[np.floating], NDArray[np.integer]]:
        """Each record is one case."""
        return probabilities, labels

    def columns(self) -> list[tuple[str, str]]:
        """Names and Arrow types of the columns of an answer table."""
        numbers = [(f"probability_{name}", "float64") for name in self.classes]
        return [("label", "string"), ("confidence", "float64"), *numbers]

    def row(self, probabilities: NDArray[np.floating]) -> dict[str, Any]:
        """The columns of one answer, of its probabilities ``(classes,)``."""
        best = int(probabilities.argmax())
        values = probabilities.tolist()
        numbers = {f"probability_{name}": p for name, p in zip(self.classes, values, strict=True)}
        return {"label": self.classes[best], "confidence": values[best], **numbers}


def build(config: Config, *, classes: Sequence[str]) -> SingleTarget:  # noqa: ARG001
    """A target of these classes."""
    return SingleTarget(classes)
