"""What is known of the pseudo-labels without looking at hidden labels: an audit.

Each labelled record was also judged as if it had no label, by fits without its fold. How often the
accepted ones among them are right estimates how often pseudo-labels are.

Source: Wilson 1927 (doi:10.1080/01621459.1927.10502953) for the interval.
"""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.features.store import Features
from components.model.subsets import patterns
from components.parts.labelling import PseudoLabels

_Z = 1.959964


def wilson(right: int, count: int) -> tuple[float, float]:
    """The 95% interval of a share.

    >>> [round(x, 3) for x in wilson(8, 10)]
    [0.49, 0.943]
    """
    if not count:
        return 0.0, 1.0
    share, z2 = right / count, _Z**2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = _Z * np.sqrt(share * (1 - share) / count + z2 / (4 * count**2)) / (1 + z2 / count)
    return float(middle - half), float(middle + half)


def audit(
    *,
    data: Features,
    rows: NDArray[np.int64],
    decided: PseudoLabels,
    known: PseudoLabels,
    known_rows: NDArray[np.int64],
) -> dict[str, Any]:
    """Figures of the accepted pseudo-labels.

    Args:
        data: the data set.
        rows: ``(n,)`` the records without a label.
        decided: the labeller's answers for them.
        known: its answers for the labelled records.
        known_rows: ``(k,)`` those.

    Returns:
        ``accepted`` share; ``precision`` of the accepted with ``low``, ``high`` and the number
        ``n`` of labelled records behind it, in all, ``by_class`` and ``by_subset``; ``shift``, half
        the sum of absolute differences between the class shares of labels and of pseudo-labels;
        ``sources``, how many accepted labels each source supports.
    """
    right, counted = _right(known, data.labels[known_rows])
    subset = np.array(patterns(data.present[rows], data.names))
    known_subset = np.array(patterns(data.present[known_rows], data.names))
    target = data.target
    given = target.counts(decided.labels[decided.accepted]).astype(np.float64)
    labelled = target.counts(data.labels[known_rows]).astype(np.float64)
    found: dict[str, Any] = {
        "accepted": _share(decided.accepted),
        **_precision(right, counted),
        "by_class": {},
        "by_subset": {
            key: {
                "accepted": _share(decided.accepted[subset == key]),
                "records": int((subset == key).sum()),
                **_precision(right, counted & (known_subset == key)),
            }
            for key in sorted(set(subset) - {""})
        },
        "shift": _distance(labelled, given),
        "sources": dict(_sources(decided)),
    }
    for code, name in enumerate(data.classes):
        if known.labels.ndim == 1:
            own = known.labels == code
            figures = _precision(right, counted & own)
        else:
            own = known.accepted & (known.labels[:, code] == 1)
            figures = _precision(data.labels[known_rows][:, code] == 1, own)
        found["by_class"][name] = {
            "accepted": int(given[code]),
            "labels": int(labelled[code]),
            **figures,
        }
    return found


def _sources(decided: PseudoLabels) -> Counter[str]:
    given = zip(decided.sources, decided.accepted, strict=True)
    return Counter(source for sources, accepted in given if accepted for source in sources)


def _right(
    known: PseudoLabels, labels: NDArray[Any]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which accepted labels of labelled records are right, and which count."""
    if labels.ndim == 1:
        return known.labels == labels, known.accepted
    wrong = (known.labels == 1) & (labels != 1)
    return ~wrong.any(axis=1), known.accepted


def _precision(right: NDArray[np.bool_], counted: NDArray[np.bool_]) -> dict[str, Any]:
    count, hits = int(counted.sum()), int((right & counted).sum())
    low, high = wilson(hits, count)
    return {"precision": hits / count if count else None, "low": low, "high": high, "n": count}


def _share(accepted: NDArray[np.bool_]) -> float:
    return float(accepted.mean()) if len(accepted) else 0.0


def _distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float | None:
    if not a.sum() or not b.sum():
        return None
    return float(np.abs(a / a.sum() - b / b.sum()).sum() / 2)
