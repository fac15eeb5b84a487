"""When a model does better to give no answer.

Source: the optimum recognition error and reject tradeoff, Chow 1970 (doi:10.1109/TIT.1970.1054406),
with a right answer worth as much as a wrong one costs; no answer is worth nothing.
"""

import numpy as np
from numpy.typing import NDArray


def least_confidence(confidences: NDArray[np.floating], right: NDArray[np.bool_]) -> float:
    """The confidence from which on answers are worth giving: right more often than wrong.

    It is the one that maximises right less wrong answers among those given; of equals the least.

    Args:
        confidences: ``(n,)`` of records that no part of the model was fitted to.
        right: ``(n,)`` whether their answer is right.

    Returns:
        0 where every answer is worth giving, or nothing is known; above 1 where none is.

    >>> confidence = np.array([0.2, 0.3, 0.6, 0.9])
    >>> least_confidence(confidence, np.array([False, False, True, True]))
    0.6
    """
    if not len(confidences):
        return 0.0
    levels = np.unique(confidences)[::-1]
    worth = np.where(right, 1, -1)
    gains = [int(worth[confidences >= level].sum()) for level in levels]
    best = max(gains)
    if best < 0:
        return float(np.nextafter(1.0, 2.0))
    chosen = len(gains) - 1 - gains[::-1].index(best)
    return 0.0 if chosen == len(gains) - 1 else float(levels[chosen])
