"""How common each class is among all records, where labels were not drawn as records come.

With so many labels for each class, rare classes are as common among the labels as frequent ones.
The mean answer for unlabelled records is a mixture of the mean answers for records of each class,
and those are known from held-out labelled records: the shares are the mixture that fits. With few
labels the mean answer of a class is uncertain, and one fit would take it for fact. So it is drawn
many times, and what fits on average is expected. The change shrinks by its noise: how much the
draws differ, and how much the fits without one fold each.

Source: label shift from the answers for each class, Lipton et al. 2018 (arXiv:1802.03916); the
mixture by expectation maximisation, Dempster et al. 1977; the Bayesian bootstrap, Rubin 1981
(doi:10.1214/aos/1176345338); the jackknife, Efron & Stein 1981.
"""

import numpy as np
from numpy.typing import NDArray

from components.parts.linear import activated
from components.training.labelled import Labelled

_DRAWS, _ENTRIES = 30, 2_000_000
"""Draws of the mean answers, and the most entries in all: many hundred classes are drawn less."""
_STEPS = 100
_GRID = 1000


def class_shift(
    unlabelled: NDArray[np.floating], held: NDArray[np.floating], labelled: Labelled
) -> NDArray[np.float64]:
    """What to add to logits ``(classes,)`` so that they expect the classes as records come.

    It is zero where nothing is unlabelled, for a class without a label here (the records of a
    modality may lack one), and for a sigmoid.

    Args:
        unlabelled: calibrated logits ``(fits, n, classes)`` of the records without a label.
        held: the same of the labelled records, held out ``(k, classes)``.
        labelled: the labelled records.
    """
    judging, count = labelled.judging, unlabelled.shape[1]
    shift = np.zeros(labelled.targets.shape[1])
    seen = labelled.targets.any(axis=0)
    if labelled.activation == "sigmoid" or not count or not judging.any() or seen.sum() < 2:
        return shift
    counts = labelled.targets[:, seen].sum(axis=0)
    prior = counts / counts.sum()
    # Held-out answers are those of fits without a fold, and are compared with the same.
    without = np.stack([_softmax(each[:, seen]).mean(axis=0) for each in unlabelled[:-1]])
    means = np.concatenate([without.mean(axis=0, keepdims=True), without])
    answers, targets = _softmax(held[judging][:, seen]), labelled.targets[judging][:, seen]
    draws = mean_answers(answers, targets, max(2, min(_DRAWS, _ENTRIES // len(prior) ** 2)))
    found = np.stack([shares(means, drawn, prior) for drawn in draws])
    expected, *others = found.mean(axis=0)
    change = float(((expected - prior) ** 2 / prior).sum())
    noise = _spread(found[:, 0], prior) + (len(others) - 1) * _spread(np.stack(others), prior)
    among_all = (count * expected + counts) / (count + counts.sum())
    shift[seen] = believed(change, noise, len(prior) - 1) * np.log(among_all / prior)
    return shift


def mean_answers(
    answers: NDArray[np.float64], targets: NDArray[np.float64], draws: int
) -> list[NDArray[np.float64]]:
    """Draws of what records of each class are answered on average ``(classes, classes)``.

    Records count as a Bayesian bootstrap draws them. Beside those of a class counts one answer that
    is right as often as all are, and otherwise like any: a class with few records, or none, is
    taken to be like the others.

    Args:
        answers: ``(n, classes)``, held out.
        targets: the same, what is true.
        draws: number of them.
    """
    rng = np.random.default_rng(0)
    count, classes = targets.shape
    middle = answers.mean(axis=0)
    right, chance = (targets * answers).sum() / count, (targets @ middle).mean()
    skill = max(0.0, (right - chance) / (1 - chance))
    usual = skill * np.eye(classes) + (1 - skill) * middle
    found = []
    for _ in range(draws):
        weights = rng.exponential(size=(count, 1)) * targets
        beside = rng.exponential(size=(classes, 1))
        total = weights.sum(axis=0)[:, None] + beside
        found.append((weights.T @ answers + beside * usual) / total)
    return found


def shares(
    means: NDArray[np.float64], each: NDArray[np.float64], prior: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The shares of the classes ``(m, classes)`` whose mixtures of mean answers fit means best.

    Args:
        means: answers ``(m, classes)``, each of records that are shared as is to be found.
        each: mean answers of the records of each class ``(classes, classes)``.
        prior: shares ``(classes,)`` to start from, positive.
    """
    found: NDArray[np.float64] = np.broadcast_to(prior, means.shape)
    for _ in range(_STEPS):
        found = found * ((means / np.maximum(found @ each, 1e-300)) @ each.T)
    found /= found.sum(axis=1, keepdims=True)
    return found


def believed(change: float, noise: float, freedom: int) -> float:
    """How much of a change to believe, from 0 to 1.

    The noise makes up some part of what changes of this kind are made of, and any part is as likely
    beforehand; this is one less what is expected of it.

    Source: Strawderman 1971 (doi:10.1214/aoms/1177693528).

    Args:
        change: the squared length of what was found.
        noise: what is expected of it where nothing changed.
        freedom: numbers that may change.
    """
    part = (np.arange(_GRID) + 0.5) / _GRID
    likely = freedom / 2 * (np.log(part) - part * change / max(noise, 1e-12))
    weights = np.exp(likely - likely.max())
    return float(1 - weights @ part / weights.sum())


def _softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    z = logits.astype(np.float64)
    return activated(z, np.zeros_like(z), "softmax")[0].astype(np.float64)


def _spread(found: NDArray[np.float64], prior: NDArray[np.float64]) -> float:
    """How far shares ``(m, classes)`` lie from their mean on average."""
    away = found - found.mean(axis=0)
    return float((away**2 / prior).sum(axis=1).mean())
