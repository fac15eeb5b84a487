"""Formulas for single-class predictions: probabilities, their calibration, and accuracy figures.

Source: temperature scaling, Guo et al. 2017 (arXiv:1706.04599).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Classes = NDArray[Any]
"""``(n,)`` class numbers or names."""
Floats = NDArray[np.float64]

LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.05, 20.0
"""Limits of the fit. Only too few rows, or rows that are all right, would lead beyond them, and the
probabilities would then be 0 and 1, or all equal."""


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
    """The temperature that minimises the NLL of labels ``(n,)`` under logits ``(n, k)``.

    It is 1 without rows. The NLL is convex in ``1 / T``, so it has one minimum in ``log T``, and a
    bounded line search finds it.
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


def accuracy(labels: Classes, predicted: Classes) -> float:
    """Share of ``predicted (n,)`` that equal ``labels (n,)``; NaN without rows.

    >>> accuracy(np.array([0, 1, 1, 2]), np.array([0, 1, 2, 2]))
    0.75
    """
    return float(np.mean(labels == predicted)) if len(labels) else float("nan")


def macro_f1(labels: Classes, predicted: Classes) -> float:
    """Mean F1 of ``predicted (n,)`` over the classes in ``labels (n,)``; NaN without rows.

    A class that is only predicted has no F1 of its own: each such prediction already lowers the F1
    of the true class.
    """
    if not len(labels):
        return float("nan")
    names, codes = np.unique(np.concatenate([labels, predicted]), return_inverse=True)
    true, predicted_codes = codes[: len(labels)], codes[len(labels) :]
    support = np.bincount(true, minlength=len(names))
    predicted_count = np.bincount(predicted_codes, minlength=len(names))
    hits = np.bincount(true[true == predicted_codes], minlength=len(names))
    occurs = support > 0
    return float(np.mean(2 * hits[occurs] / (support[occurs] + predicted_count[occurs])))
