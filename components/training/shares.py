"""How common each class is among all records, where labels were not drawn as records come.

With so many labels for each class, rare classes are as common among the labels as frequent ones.
The answers for unlabelled records tell how common they really are. A rehearsal on held-out records
decides whether to believe it. Their shares are known, as they are and weighted so that they are the
found ones: both must be found again.

Source: expectation maximisation, Saerens et al. 2002 (doi:10.1162/089976602753284446), with a
Dirichlet prior at the shares of the labels.
"""

import numpy as np
from numpy.typing import NDArray

from components.parts.linear import activated
from components.training.committee import Labelled

_PRIOR = 0.1
"""What the shares of the labels count for, beside those that the answers tell."""
_MISSED = 0.2
"""Part of a rehearsed change that may be missed, by Kullback-Leibler divergence."""
_FALSE = 0.5
"""The same, for a change that is found where there is none."""
_STEPS = 100


def class_shift(
    unlabelled: NDArray[np.floating], held: NDArray[np.floating], labelled: Labelled
) -> NDArray[np.float64]:
    """What to add to logits ``(classes,)`` so that they expect the classes as records come.

    It is zero where the rehearsal fails, where the change is within chance, where nothing is
    unlabelled, and for a sigmoid.

    Args:
        unlabelled: calibrated logits ``(n, classes)`` of the records without a label.
        held: the same of the labelled records, held out ``(k, classes)``.
        labelled: the labelled records.
    """
    judging = labelled.judging
    nothing = np.zeros(labelled.targets.shape[1])
    if labelled.activation == "sigmoid" or not len(unlabelled) or not judging.any():
        return nothing
    counts = labelled.targets.sum(axis=0)
    prior = np.maximum(counts / counts.sum(), 1e-9)
    total = len(unlabelled) + counts.sum()
    found = (len(unlabelled) * shares(_softmax(unlabelled), prior) + counts) / total
    targets = labelled.targets[judging]
    weights = targets @ (found / prior)
    answers, wanted = _softmax(held[judging]), weights @ targets / weights.sum()
    own = targets.sum(axis=0) / targets.sum()
    missed = _divergence(wanted, shares(answers, prior, weights=weights))
    unchanged = _divergence(own, shares(answers, prior))
    change = _divergence(wanted, prior)
    # As many labels drawn as records come would show a smaller change by chance.
    by_chance = (np.count_nonzero(counts) - 1) / (2 * counts.sum())
    if change <= 2 * by_chance or missed > _MISSED * change or unchanged > _FALSE * change:
        return nothing
    shift: NDArray[np.float64] = np.log(found / prior)
    return shift


def shares(
    probabilities: NDArray[np.float64],
    prior: NDArray[np.float64],
    *,
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """The most likely shares of the classes ``(classes,)`` among records.

    Args:
        probabilities: ``(n, classes)``, right where classes are shared like ``prior``.
        prior: shares ``(classes,)``, positive.
        weights: how much each record counts ``(n,)``.
    """
    weights = np.ones(len(probabilities)) if weights is None else weights
    total = weights.sum()
    found = prior
    for _ in range(_STEPS):
        likely = probabilities * (found / prior)
        likely *= (weights / np.maximum(likely.sum(axis=1), 1e-300))[:, None]
        before = found
        found = (likely.sum(axis=0) + _PRIOR * total * prior) / (total * (1 + _PRIOR))
        if np.abs(found - before).sum() < 1e-6:
            break
    return found


def _softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    z = logits.astype(np.float64)
    return activated(z, np.zeros_like(z), "softmax")[0].astype(np.float64)


def _divergence(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    return float((p * np.log(np.maximum(p, 1e-12) / np.maximum(q, 1e-12))).sum())
