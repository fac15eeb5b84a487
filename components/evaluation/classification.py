"""How good answers are: accuracy, macro-F1 and the confusion matrix of class numbers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Classes = NDArray[Any]
"""``(n,)`` class numbers or names."""


def accuracy(labels: Classes, predicted: Classes) -> float:
    """Share of right answers; NaN without rows.

    >>> accuracy(np.array([0, 1, 1, 2]), np.array([0, 1, 2, 2]))
    0.75
    """
    return float(np.mean(labels == predicted)) if len(labels) else float("nan")


def macro_f1(labels: Classes, predicted: Classes) -> float:
    """Mean F1 over the classes that occur in ``labels``; NaN without rows.

    A class that is only predicted has no F1 of its own: it already costs the class it was taken for.
    """
    if not len(labels):
        return float("nan")
    names, codes = np.unique(np.concatenate([labels, predicted]), return_inverse=True)
    true, found = codes[: len(labels)], codes[len(labels) :]
    support = np.bincount(true, minlength=len(names))
    predicted_count = np.bincount(found, minlength=len(names))
    hits = np.bincount(true[true == found], minlength=len(names))
    occurs = support > 0
    return float(np.mean(2 * hits[occurs] / (support[occurs] + predicted_count[occurs])))


def confusion(
    labels: NDArray[np.integer], predicted: NDArray[np.integer], classes: int
) -> NDArray[np.int64]:
    """Counts ``(classes, classes)``: row is the true class, column the answer."""
    cells = np.asarray(labels, dtype=np.int64) * classes + predicted
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def wilson(right: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's 95% interval for a share of ``right`` out of ``n``; all of 0 to 1 without rows.

    Source: Wilson 1927. Unlike the normal interval it stays inside 0 to 1 and holds for few rows.
    """
    if not n:
        return 0.0, 1.0
    p, spread = right / n, z * z / n
    centre, half = p + spread / 2, z * ((p * (1 - p) + spread / 4) / n) ** 0.5
    return max(0.0, (centre - half) / (1 + spread)), min(1.0, (centre + half) / (1 + spread))
