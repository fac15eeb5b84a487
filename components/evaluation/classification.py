"""Quality of answers: the confusion matrix of class numbers, and the interval of a share."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Classes = NDArray[Any]
"""``(n,)`` class numbers or names."""


def confusion(
    labels: NDArray[np.integer], predicted: NDArray[np.integer], classes: int
) -> NDArray[np.int64]:
    """Counts ``(classes, classes)`` of ``(n,)`` labels by true class (row) and answer (column)."""
    cells = np.asarray(labels, dtype=np.int64) * classes + predicted
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def wilson(right: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's 95% interval for a share of ``right`` out of ``n``; 0 to 1 without rows.

    Source: Wilson 1927. Unlike the normal interval it stays inside 0 to 1 and holds for few rows.
    """
    if not n:
        return 0.0, 1.0
    p, spread = right / n, z * z / n
    centre, half = p + spread / 2, z * ((p * (1 - p) + spread / 4) / n) ** 0.5
    return max(0.0, (centre - half) / (1 + spread)), min(1.0, (centre + half) / (1 + spread))
