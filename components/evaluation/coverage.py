"""How many answers are right when a model answers only the records that it is surest of.

Source: El-Yaniv & Wiener 2010, "On the foundations of noise-free selective classification" (JMLR
11), the risk-coverage curve; here with accuracy in place of risk.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PERCENT = (50, 80, 90)
"""Shares of answered records at which the accuracy is reported."""


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """The curve; a point for each of ``k`` different confidences, falling.

    Attributes:
        confidence: ``(k,)`` the least that is answered.
        answered: ``(k,)`` records answered.
        right: ``(k,)`` how many of those are right.
    """

    confidence: NDArray[np.floating]
    answered: NDArray[np.int64]
    right: NDArray[np.int64]

    @property
    def share(self) -> NDArray[np.float64]:
        """Share of all records that is answered ``(k,)``; the last is 1."""
        return np.asarray(self.answered / self.answered[-1])

    @property
    def accuracy(self) -> NDArray[np.float64]:
        """Share of right answers among the answered ``(k,)``."""
        return np.asarray(self.right / self.answered)

    def first(self, share: float) -> float:
        """Accuracy when at least this share is answered, as few as equal confidences allow."""
        return float(self.accuracy[np.searchsorted(self.share, share - 1e-12)])

    def at(self, threshold: float) -> tuple[float, float | None]:
        """Share answered and accuracy of the answered, from a least confidence on.

        The accuracy is None where nothing is answered.
        """
        count = int((self.confidence >= threshold).sum())
        if not count:
            return 0.0, None
        return float(self.share[count - 1]), float(self.accuracy[count - 1])


def by_coverage(confidences: NDArray[np.floating], right: NDArray[np.bool_]) -> Coverage:
    """The curve of ``n`` answers.

    >>> found = by_coverage(np.array([0.9, 0.5, 0.5, 0.8]), np.array([True, False, True, True]))
    >>> found.share.tolist(), found.accuracy.tolist()
    ([0.25, 0.5, 1.0], [1.0, 1.0, 0.75])
    """
    order = np.argsort(-confidences, kind="stable")
    ordered, hits = confidences[order], np.cumsum(right[order], dtype=np.int64)
    last = np.flatnonzero(np.append(ordered[:-1] != ordered[1:], True))
    return Coverage(
        confidence=ordered[last], answered=last + 1, right=np.asarray(hits[last], dtype=np.int64)
    )


def figures(found: Coverage, threshold: float) -> dict[str, float | None]:
    """The curve in a few numbers, for ``metrics.json``."""
    answered, accuracy = found.at(threshold)
    return {
        "threshold": threshold,
        "answered": answered,
        "accuracy_answered": accuracy,
        **{f"accuracy_at_{percent}": found.first(percent / 100) for percent in PERCENT},
    }
