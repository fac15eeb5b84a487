"""Formulas for sets of classes: probabilities, calibration, average precision, F1 and thresholds.

Source: average precision as the sum of precision over steps of recall, Salton & McGill 1983, ties
taken together as scikit-learn does; temperature scaling, Guo et al. 2017 (arXiv:1706.04599);
thresholds that maximise F1, Lipton et al. 2014, Thresholding classifiers to maximize F1 score
(arXiv:1402.1892).
"""

import numpy as np
from numpy.typing import NDArray

from components.parts.classification import HIGHEST_TEMPERATURE, LOWEST_TEMPERATURE

Floats = NDArray[np.float64]
Sets = NDArray[np.int8]
"""``(n, classes)``: 1 where the record has the class, 0 where not, -1 where nobody knows."""

DEFAULT_THRESHOLD = 0.5
FEW = 5
"""With fewer records of a class than this, its own best threshold is an accident of those few."""


def sigmoid(logits: NDArray[np.floating], temperature: float = 1.0) -> Floats:
    """Probabilities ``1 / (1 + exp(-logits / temperature))``, of any shape.

    >>> sigmoid(np.array([0.0])).tolist()
    [0.5]
    """
    # Without scipy, most of which an image that serves lacks; it never overflows.
    warm = np.asarray(logits, dtype=np.float64) / temperature
    with np.errstate(invalid="ignore"):  # nothing is known of a record without a modality
        found: Floats = np.exp(-np.logaddexp(0.0, -warm))
    return found


def fit_temperature(logits: NDArray[np.floating], labels: Sets) -> float:
    """The temperature that minimises the binary cross-entropy of labels ``(n, classes)``.

    It is 1 without known labels. The loss is convex in ``1 / T``, so a bounded line search over
    ``log T`` finds its minimum.
    """
    known = labels >= 0
    if not known.any():
        return 1.0
    from scipy.optimize import minimize_scalar

    signed = np.asarray(logits, dtype=np.float64)[known] * np.where(labels[known] == 1, 1.0, -1.0)
    bounds = (float(np.log(LOWEST_TEMPERATURE)), float(np.log(HIGHEST_TEMPERATURE)))
    found = minimize_scalar(
        lambda t: float(np.logaddexp(0.0, -signed / np.exp(t)).mean()),
        bounds=bounds,
        method="bounded",
        options={"xatol": 1e-5},
    )
    return float(np.exp(found.x))


def average_precisions(
    labels: Sets, scores: NDArray[np.floating], weights: NDArray[np.floating] | None = None
) -> Floats:
    """Average precision of each class, ``(..., classes)``; NaN for one without a record.

    ``AP = sum_k (R_k - R_(k-1)) P_k`` over the distinct scores, the highest first.

    Args:
        labels: ``(n, classes)``.
        scores: ``(n, classes)``; only their order within a class counts.
        weights: ``(draws, n)`` how often each record counts; once by default, and the result is
            then ``(classes,)``.
    """
    times = np.ones((1, len(labels))) if weights is None else np.asarray(weights, np.float64)
    found = np.full((len(times), labels.shape[1]), np.nan)
    for c in range(labels.shape[1]):
        order = np.argsort(-scores[:, c], kind="stable")
        order = order[labels[order, c] >= 0]
        if not len(order):
            continue
        ranked, has = scores[order, c], labels[order, c] == 1
        last = np.searchsorted(-ranked, -ranked[has], side="right") - 1
        counted = times[:, order]
        positives = counted[:, has]
        above, right = np.cumsum(counted, axis=1), np.cumsum(counted * has, axis=1)
        precision = right[:, last] / np.maximum(above[:, last], 1e-12)
        total = positives.sum(axis=1)
        some = total > 0
        found[some, c] = (positives * precision)[some].sum(axis=1) / total[some]
    return found[0] if weights is None else found


def macro_map(labels: Sets, scores: NDArray[np.floating]) -> float:
    """Mean average precision over the classes that some record has; NaN without any."""
    return _mean(average_precisions(labels, scores))


def f1_scores(labels: Sets, decided: Sets) -> tuple[float, float]:
    """Micro-F1 of all decisions, and macro-F1 over the classes that some record has.

    Args:
        labels: ``(n, classes)``; unknown cells are left out.
        decided: ``(n, classes)``, 1 where the class is given.
    """
    known = labels >= 0
    has, given = (labels == 1) & known, (decided == 1) & known
    hits, sizes = (has & given).sum(axis=0), has.sum(axis=0) + given.sum(axis=0)
    occurs = has.any(axis=0)
    if not occurs.any():
        return float("nan"), float("nan")
    micro = 2 * hits.sum() / sizes.sum()
    return float(micro), float(np.mean(2 * hits[occurs] / sizes[occurs]))


def best_thresholds(labels: Sets, probabilities: NDArray[np.floating]) -> Floats:
    """The threshold ``(classes,)`` that maximises the F1 of each class.

    It lies halfway between the least probability that is accepted and the next one below. A class
    of fewer than ``FEW`` records gets the threshold that is best for all classes together, since
    its own would follow the accidents of a few records; without any label it is one half.

    Args:
        labels: ``(n, classes)`` of records that the probabilities were not fitted to.
        probabilities: ``(n, classes)``.
    """
    known = labels >= 0
    common = _best_threshold(labels[known] == 1, probabilities[known])
    found = np.full(labels.shape[1], common)
    for c in np.flatnonzero((labels == 1).sum(axis=0) >= FEW):
        rows = known[:, c]
        found[c] = _best_threshold(labels[rows, c] == 1, probabilities[rows, c])
    return found


def _best_threshold(has: NDArray[np.bool_], probabilities: NDArray[np.floating]) -> float:
    if not has.any():
        return DEFAULT_THRESHOLD
    order = np.argsort(-probabilities, kind="stable")
    ranked = np.asarray(probabilities, dtype=np.float64)[order]
    hits = np.cumsum(has[order])
    f1 = 2 * hits / (np.arange(1, len(order) + 1) + has.sum())
    f1[:-1][ranked[:-1] == ranked[1:]] = -1.0  # equal probabilities are accepted together
    best = int(f1.argmax())
    below = ranked[best + 1] if best + 1 < len(ranked) else 0.0
    return float((ranked[best] + below) / 2)


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
