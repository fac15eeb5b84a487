"""Known classes taken for new, and the weights of scores that they tell.

The weights are not fitted to the exemplars, which are too few: each known class is taken for new in
turn, with as many exemplars, and the weights are those that make the others of its records and of
the other classes most likely, beside the logits that the model has for them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.model.reference import Reference
from components.prediction.view_metric import Floats, ViewMetric

_DRAWS = 3
"""How often each known class is taken for new, with other exemplars."""
_MOST_CLASSES = 200
"""Known classes that are taken for new; of more, as many drawn at random."""


@dataclass(frozen=True, kw_only=True)
class Episodes:
    """Known classes taken for new: ``k`` pairs of record and class.

    Attributes:
        scores: ``(k, 3 * views)``: both scores of each view, and whether the record has it.
        offsets: ``(k,)`` the logit against the other classes if all scores are 0.
        best: ``(k,)`` the same against the best of the others.
        right: ``(k,)`` bool: the record has the class.
        counts: ``(k,)`` how much each pair counts.
    """

    scores: Floats
    offsets: Floats
    best: Floats
    right: NDArray[np.bool_]
    counts: Floats


def episodes_of(
    reference: Reference,
    memberships: NDArray[np.bool_],
    eligible: NDArray[np.int64],
    exemplars: int,
    metrics: Mapping[str, ViewMetric],
    several: bool,
) -> Episodes:
    """Take known classes for new, each with some of its records as exemplars.

    Args:
        reference: the model's training records.
        memberships: which classes ``(n, classes)`` each of them has.
        eligible: numbers of the classes with two records.
        exemplars: how many a class is shown by; 0: by its name.
        metrics: view name to how it compares them.
        several: whether a record has a set of classes.
    """
    draw = np.random.default_rng(0)
    if len(eligible) > _MOST_CLASSES:
        eligible = np.sort(draw.choice(eligible, _MOST_CLASSES, replace=False))
    known = np.flatnonzero(memberships.any(axis=0))
    parts = []
    for c in eligible.tolist():
        own = np.flatnonzero(memberships[:, c])
        others = np.flatnonzero(reference.judged & ~memberships[:, c])
        offsets, best = _offsets(reference.logits, known[known != c], several)
        for _ in range(_DRAWS if exemplars else 1):
            shown = draw.permutation(own)[: min(exemplars, len(own) // 2)]
            asked = np.concatenate([np.setdiff1d(own, shown), others])
            right = np.arange(len(asked)) < len(own) - len(shown)
            seen = [m.scores(shown, memberships[:, c], c)[asked] for m in metrics.values()]
            # The records that were not shown stand for all of the class.
            counts = np.where(right, len(own) / max(1, right.sum()), 1.0)
            parts.append((np.hstack(seen), offsets[asked], best[asked], right, counts))
    whole = [np.concatenate(part) for part in zip(*parts, strict=True)]
    return Episodes(
        scores=whole[0],
        offsets=whole[1],
        best=whole[2],
        right=whole[3],
        counts=whole[4] / whole[4].sum(),
    )


def _offsets(
    logits: NDArray[np.float32], others: NDArray[np.int64], several: bool
) -> tuple[Floats, Floats]:
    """The mean logit of the other classes less their common one, and less the best, ``(n,)``."""
    if several or not len(others):  # each class stands for itself
        zeros = np.zeros(len(logits))
        return zeros, zeros
    from scipy.special import logsumexp

    theirs = logits[:, others].astype(np.float64)
    mean = theirs.mean(axis=1)
    return mean - logsumexp(theirs, axis=1), mean - theirs.max(axis=1)


def weights_of(found: Episodes) -> Floats:
    """Weights ``(3 * views,)`` that make the pairs most likely; those of scores are not negative.

    They are drawn towards 0 by as much as one record says.
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    size = np.sqrt(found.counts @ np.square(found.scores)) + 1e-12
    scores = found.scores / size
    strength = float(found.counts.min())

    def loss(weights: Floats) -> tuple[float, Floats]:
        logits = scores @ weights + found.offsets
        value = found.counts @ np.logaddexp(0, np.where(found.right, -logits, logits))
        slope = scores.T @ (found.counts * (expit(logits) - found.right))
        return float(value + strength * weights @ weights / 2), slope + strength * weights

    bounds = [(0, None), (0, None), (None, None)] * (scores.shape[1] // 3)
    weights = minimize(loss, np.zeros(len(size)), jac=True, method="L-BFGS-B", bounds=bounds).x
    result: Floats = weights / size
    return result


def worth_of(found: Episodes, weights: Floats) -> tuple[float, float]:
    """Share of records that got the class taken for new: of its own, and of the others."""
    given = found.scores @ weights + found.best > 0
    own, others = given[found.right], given[~found.right]
    return float(own.mean()) if len(own) else float("nan"), float(others.mean())
