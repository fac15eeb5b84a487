"""How common each class is among all records, where labels were not drawn as records come.

With so many labels for each class, rare classes are as common among the labels as frequent ones.
The answers for unlabelled records tell how common they really are. How far to believe that is told
by two mistakes: what is found to differ among held-out labelled records, whose shares are known,
and how much fits without one fold each disagree on the shares of the same records. The change that
is found shrinks by both, as an estimate shrinks by its noise (James & Stein 1961).

Source: expectation maximisation, Saerens et al. 2002 (doi:10.1162/089976602753284446), with a
Dirichlet prior at the shares of the labels; the jackknife, Efron & Stein 1981.
"""

import numpy as np
from numpy.typing import NDArray

from components.parts.linear import activated
from components.training.committee import Labelled

_PRIOR = 0.1
"""What the shares of the labels count for, beside those that the answers tell."""
_STEPS = 100


def class_shift(
    unlabelled: NDArray[np.floating], held: NDArray[np.floating], labelled: Labelled
) -> NDArray[np.float64]:
    """What to add to logits ``(classes,)`` so that they expect the classes as records come.

    It is zero where mistakes are as large as the change, where nothing is unlabelled, for a class
    without a label here (the records of a modality may lack one), and for a sigmoid.

    Args:
        unlabelled: calibrated logits ``(fits, n, classes)`` of the records without a label.
        held: the same of the labelled records, held out ``(k, classes)``.
        labelled: the labelled records.
    """
    judging = labelled.judging
    nothing = np.zeros(labelled.targets.shape[1])
    if labelled.activation == "sigmoid" or not unlabelled.shape[1] or not judging.any():
        return nothing
    seen = labelled.targets.any(axis=0)
    counts = labelled.targets[:, seen].sum(axis=0)
    prior = counts / counts.sum()
    count, total = unlabelled.shape[1], unlabelled.shape[1] + counts.sum()
    *without, found = (
        (count * shares(_softmax(each[:, seen]), prior) + counts) / total for each in unlabelled
    )
    targets = labelled.targets[judging][:, seen]
    own = targets.sum(axis=0) / targets.sum()
    change = _divergence(found, prior)
    mistaken = _divergence(own, shares(_softmax(held[judging][:, seen]), prior))
    middle = np.mean(without, axis=0)
    disagreed = (len(without) - 1) * float(np.mean([_divergence(s, middle) for s in without]))
    trust = max(0.0, 1.0 - (mistaken + disagreed) / max(change, 1e-12))
    shift = nothing
    shift[seen] = trust * np.log(found / prior)
    return shift


def shares(probabilities: NDArray[np.float64], prior: NDArray[np.float64]) -> NDArray[np.float64]:
    """The most likely shares of the classes ``(classes,)`` among records.

    Args:
        probabilities: ``(n, classes)``, right where classes are shared like ``prior``.
        prior: shares ``(classes,)``, positive.
    """
    total = len(probabilities)
    found = prior
    for _ in range(_STEPS):
        likely = probabilities * (found / prior)
        likely /= np.maximum(likely.sum(axis=1, keepdims=True), 1e-300)
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
