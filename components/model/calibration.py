"""Calibration: how far confidence is from accuracy.

Each subset of modalities has a temperature of its own, fitted to held-out labelled records
(``components/training/selection.py``).

Source: temperature and reliability plots, Guo et al. 2017 (arXiv:1706.04599); Brier 1950,
Verification of forecasts expressed in terms of probability.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

METHOD = {
    "id": "E06",
    "name": "calibration (temperature scaling)",
    "for": "confidence that can be believed, whichever modalities a record has",
    "needs": "labelled training records, some of which are held out",
    "use": "concord run CONFIG",
}
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """Rows sorted into bins of equal width by confidence.

    Attributes:
        edges: ``(bins + 1,)`` from 0 to 1; a row is in bin ``i`` if
            ``edges[i] < confidence <= edges[i + 1]``.
        counts: ``(bins,)`` rows in each bin.
        confidence: ``(bins,)`` mean confidence, NaN where a bin is empty.
        accuracy: ``(bins,)`` share of right answers, NaN where a bin is empty.
    """

    edges: Floats
    counts: NDArray[np.int64]
    confidence: Floats
    accuracy: Floats


def reliability(
    probabilities: NDArray[np.floating], labels: NDArray[np.integer], bins: int = 15
) -> Reliability:
    """Sort probabilities ``(n, k)`` of labels ``(n,)`` into bins by their highest."""
    edges = np.linspace(0.0, 1.0, bins + 1)
    if len(labels):
        confidence = np.asarray(probabilities, dtype=np.float64).max(axis=1)
        right = (np.argmax(probabilities, axis=1) == labels).astype(np.float64)
    else:
        confidence = right = np.zeros(0)
    places = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    counts = np.bincount(places, minlength=bins)
    filled = np.where(counts > 0, counts, np.nan)
    return Reliability(
        edges=edges,
        counts=counts,
        confidence=np.bincount(places, weights=confidence, minlength=bins) / filled,
        accuracy=np.bincount(places, weights=right, minlength=bins) / filled,
    )


def expected_calibration_error(
    probabilities: NDArray[np.floating], labels: NDArray[np.integer], bins: int = 15
) -> float:
    """``sum_b |B_b| / n * |accuracy_b - confidence_b|`` over bins of equal width.

    Takes probabilities ``(n, k)`` and labels ``(n,)``; NaN without rows.
    """
    if not len(labels):
        return float("nan")
    found = reliability(probabilities, labels, bins)
    gaps = np.nan_to_num(np.abs(found.accuracy - found.confidence))
    return float((found.counts * gaps).sum() / len(labels))


def brier(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """Mean squared distance ``sum_k (p_k - [k is the label])^2`` of probabilities ``(n, k)``.

    0 is best, 2 worst; NaN without rows.
    """
    if not len(labels):
        return float("nan")
    p = np.asarray(probabilities, dtype=np.float64)
    own = p[np.arange(len(labels)), labels]
    return float(((p**2).sum(axis=1) - 2 * own + 1).mean())


def log_loss(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """Mean ``-log p`` of labels ``(n,)`` under probabilities ``(n, k)``, at most that of float32.

    NaN without rows.
    """
    if not len(labels):
        return float("nan")
    own = np.asarray(probabilities, dtype=np.float64)[np.arange(len(labels)), labels]
    return float(-np.log(own.clip(np.finfo(np.float32).tiny)).mean())
