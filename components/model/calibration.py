"""Calibration: a temperature per pattern of present modalities, and how far confidence is from accuracy.

Source: temperature scaling and reliability plots, Guo et al. 2017 (arXiv:1706.04599).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.05, 20.0
"""Beyond these a fit says only that the rows were too few or all right; probabilities would be 0 and 1 or flat."""


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """Rows sorted into bins of equal width by confidence.

    Attributes:
        edges: ``(bins + 1,)`` from 0 to 1; bin ``i`` holds ``edges[i] < confidence <= edges[i + 1]``.
        counts: ``(bins,)`` rows in each bin.
        confidence: ``(bins,)`` mean confidence, NaN where a bin is empty.
        accuracy: ``(bins,)`` share of right answers, NaN where a bin is empty.
    """

    edges: Floats
    counts: NDArray[np.int64]
    confidence: Floats
    accuracy: Floats


def softmax(logits: NDArray[np.floating], temperature: float = 1.0) -> Floats:
    """Probabilities ``(n, k)`` of logits ``(n, k)`` divided by a temperature.

    >>> softmax(np.array([[0.0, 0.0]])).tolist()
    [[0.5, 0.5]]
    """
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    scaled -= scaled.max(axis=-1, keepdims=True)
    np.exp(scaled, out=scaled)
    scaled /= scaled.sum(axis=-1, keepdims=True)
    return scaled


def nll(
    logits: NDArray[np.floating], labels: NDArray[np.integer], temperature: float = 1.0
) -> float:
    """Mean negative log likelihood of labels ``(n,)`` under ``softmax(logits / temperature)``."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    scaled -= scaled.max(axis=-1, keepdims=True)
    right = scaled[np.arange(len(labels)), labels]
    return float(np.mean(np.log(np.exp(scaled).sum(axis=-1)) - right))


def fit_temperature(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """The temperature that minimises the NLL of labels ``(n,)`` under logits ``(n, k)``; 1 where there are no rows.

    The NLL is convex in ``1 / T``, so it has one minimum in ``log T``, and a bounded line search finds it.
    """
    if not len(labels):
        return 1.0
    from scipy.optimize import minimize_scalar

    bounds = (float(np.log(LOWEST_TEMPERATURE)), float(np.log(HIGHEST_TEMPERATURE)))
    found = minimize_scalar(
        lambda t: nll(logits, labels, float(np.exp(t))),
        bounds=bounds,
        method="bounded",
        options={"xatol": 1e-5},
    )
    return float(np.exp(found.x))


def reliability(
    probabilities: NDArray[np.floating], labels: NDArray[np.integer], bins: int = 15
) -> Reliability:
    """Sort rows ``(n, k)`` into bins by the confidence of their answer."""
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
    """``sum_b |B_b| / n * |accuracy_b - confidence_b|`` over bins of equal width; NaN without rows."""
    if not len(labels):
        return float("nan")
    found = reliability(probabilities, labels, bins)
    gaps = np.nan_to_num(np.abs(found.accuracy - found.confidence))
    return float((found.counts * gaps).sum() / len(labels))
