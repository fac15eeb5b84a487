"""Figures of each class of a target with sets of classes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.parts.contracts import Target
from components.parts.label_sets import average_precisions


def per_class(
    labels: NDArray[Any], probabilities: NDArray[np.floating], target: Target
) -> dict[str, dict[str, float | int]] | None:
    """The figures of each class, as ``metrics.json`` holds them; None where there are no sets.

    Args:
        labels: coded sets ``(n, classes)`` of test records.
        probabilities: ``(n, classes)``.
        target: has the thresholds.
    """
    if target.thresholds is None:
        return None
    known = labels >= 0
    has, given = (labels == 1) & known, (target.decide(probabilities) == 1) & known
    hits, n, said = (has & given).sum(axis=0), has.sum(axis=0), given.sum(axis=0)
    precisions = average_precisions(labels, probabilities)
    return {
        name: {
            "n": int(n[c]),
            "average_precision": float(precisions[c]),
            "threshold": target.thresholds[c],
            "precision": float(hits[c] / said[c]) if said[c] else float("nan"),
            "recall": float(hits[c] / n[c]) if n[c] else float("nan"),
            "f1": float(2 * hits[c] / (n[c] + said[c])) if n[c] else float("nan"),
        }
        for c, name in enumerate(target.classes)
    }
