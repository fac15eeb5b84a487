"""What classes a model mixes up, as tables and a picture of the report."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.evaluation import charts
from components.evaluation.classification import confusion
from components.features.store import Features

_CONFUSIONS = 10


def mistakes(
    features: Features, labels: NDArray[Any], probabilities: NDArray[np.float32]
) -> dict[str, Any]:
    """What classes are mixed up; nothing where a record has a set of classes or none.

    Args:
        features: the encoded data set.
        labels: coded labels ``(n, …)``.
        probabilities: ``(n, classes)``.
    """
    if labels.ndim > 1:
        return {"confusion": None, "confusions": [], "per_class": []}
    counts = confusion(labels, features.target.decide(probabilities), len(features.classes))
    occurring = np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1))
    shown = charts.largest_classes(
        counts[np.ix_(occurring, occurring)], [features.classes[i] for i in occurring]
    )
    return {
        "confusion": charts.confusion_heat_map(*shown),
        "confusions": _confusions(counts, features.classes),
        "per_class": _per_class(counts, features.classes),
    }


def _confusions(
    counts: NDArray[np.int64], classes: Sequence[str]
) -> list[tuple[str, str, int, int]]:
    """The most frequent wrong answers: true class, answer, how often, out of how many."""
    wrong = counts - np.diag(np.diag(counts))
    cells = np.argsort(-wrong, axis=None, kind="stable")[:_CONFUSIONS]
    pairs = [divmod(int(cell), len(classes)) for cell in cells]
    return [
        (classes[t], classes[p], int(wrong[t, p]), int(counts[t].sum()))
        for t, p in pairs
        if wrong[t, p]
    ]


def _per_class(
    counts: NDArray[np.int64], classes: Sequence[str]
) -> list[tuple[str, int, float, float, float]]:
    """Class, test records, precision, recall and F1, the worst first."""
    support, predicted_count, hits = counts.sum(axis=1), counts.sum(axis=0), np.diag(counts)
    rows = []
    for i in map(int, np.flatnonzero(support)):
        precision = float(hits[i] / predicted_count[i]) if predicted_count[i] else 0.0
        rows.append(
            (
                classes[i],
                int(support[i]),
                precision,
                float(hits[i] / support[i]),
                float(2 * hits[i] / (support[i] + predicted_count[i])),
            )
        )
    return sorted(rows, key=lambda r: (r[4], r[0]))
