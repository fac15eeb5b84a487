"""What members of the committee weigh, and the scale of their sum, by held-out records.

Logits here are what members say beyond the prior, which stays as it is: a member that cannot read a
record leaves it as likely to have a class as records are.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.parts.linear import activated
from components.training.labelled import Labelled

_SPREAD = 3.0
"""Standard deviation of a record's logits where no record can judge them, and what larger ones are
drawn to. With one label for each class the best one was 1.8, 4.6, 5.1, 2.9 and 3.2 on hidden labels
of the training records of dcss-monsters, esc10-audio, av-digits, glyphs and fashion-products
(medians of five draws)."""


def weighed(
    answers: NDArray[np.float64], labelled: Labelled, at: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Weights times scale ``(members, fits)`` of each fit.

    A fit without a fold is weighed without the answers for that fold too: weights found on a few
    records flatter themselves there. The strength and the scale of each member are still of all.

    Args:
        answers: scaled held-out logits ``(members, n, classes)``.
        labelled: the labelled records.
        at: ``(n,)`` which of them answered.
    """
    found = np.zeros((len(answers), labelled.fits))
    for fit in range(labelled.fits):
        others = labelled.folds[at] != fit
        told = answers[:, others]
        weights = stacked(told, labelled, at[others])
        scale = temper(np.tensordot(weights, told, 1), labelled, at[others])
        found[:, fit] = weights * scale
    return found


def temper(
    logits: NDArray[np.floating], labelled: Labelled, at: NDArray[Any] | None = None
) -> float:
    """The factor that makes the labels most likely under logits ``(k, classes)``.

    It is drawn towards 1 by as much as one label says, or where logits spread more than usual,
    towards the usual spread: a few records that are all answered rightly would let any pass. Where
    none of the records can judge, since each is the only one of its class, the usual spread is it.
    """
    from scipy.optimize import minimize_scalar

    at = np.arange(len(labelled.rows)) if at is None else at
    count, judging = len(logits) / labelled.labels_of_one, labelled.judging[at]
    usual = _usual(logits)
    if not judging.any():
        return usual
    told, own, middle = logits[judging], at[judging], min(0.0, float(np.log(usual)))
    prior = labelled.prior_of(own)

    def loss(exponent: float) -> float:
        away = exponent - middle
        return labelled.loss(prior + told * np.exp(exponent), own) + away**2 / (2 * count)

    return float(np.exp(minimize_scalar(loss, bounds=(middle - 5, middle + 5), method="bounded").x))


def calibrated(
    logits: NDArray[np.floating], labelled: Labelled, at: NDArray[Any]
) -> tuple[float, float]:
    """The factor and the addend that make labels most likely under logits ``(k, classes)``.

    The addend is that of all classes: a head that is fitted to few records answers others less
    surely with yes than it should. Both are drawn to the factor 1 and to nothing as in ``temper``,
    and for a softmax there is nothing to add.

    Source: Platt 1999, Probabilistic outputs for support vector machines.
    """
    scale = temper(logits, labelled, at)
    judging = labelled.judging[at]
    if labelled.activation == "softmax" or not judging.any():
        return scale, 0.0
    from scipy.optimize import minimize

    told, own, middle = logits[judging], at[judging], min(0.0, float(np.log(_usual(logits))))
    prior, targets, count = labelled.prior_of(own), labelled.targets[own], judging.sum()

    def loss(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        factor, away = np.exp(point[0]), point - [middle, 0.0]
        p, likelihood = activated(prior + told * factor + point[1], targets, labelled.activation)
        errors = p - targets
        pull = labelled.labels_of_one / count
        slope = np.array([(errors * told).sum() * factor, errors.sum()]) / count
        return float(pull * away @ away / 2 - likelihood.mean()), slope + pull * away

    found = minimize(loss, np.array([np.log(scale), 0.0]), jac=True, method="L-BFGS-B").x
    return float(np.exp(found[0])), float(found[1])


def _usual(logits: NDArray[np.floating]) -> float:
    """The factor that gives logits ``(k, classes)`` the usual spread; 1 without any."""
    spread = logits.std(axis=1) if logits.size else np.zeros(0)
    return float(_SPREAD / spread.mean()) if spread.any() else 1.0


def stacked(
    answers: NDArray[np.float64], labelled: Labelled, at: NDArray[Any] | None = None
) -> NDArray[np.float64]:
    """Weights ``(members,)``, none negative, that make the labels most likely.

    They are drawn towards equal ones by as much as one label says.

    Args:
        answers: scaled held-out logits ``(members, n, classes)``.
        labelled: the labelled records.
        at: ``(n,)`` which of them answered, all by default.
    """
    from scipy.optimize import minimize

    at = np.arange(len(labelled.rows)) if at is None else at
    members, judging = len(answers), labelled.judging[at]
    even = np.full(members, 1.0 / members)
    told, targets = answers[:, judging], labelled.targets[at[judging]]
    prior = labelled.prior_of(at[judging])
    if not len(targets):
        return even
    count = len(targets) / labelled.labels_of_one

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = prior + np.tensordot(weights, told, 1)
        p, likelihood = activated(logits, targets, labelled.activation)
        mass = targets.sum(axis=1, keepdims=True)
        error = (p * mass if labelled.activation == "softmax" else p) - targets
        away = weights - even
        value = -likelihood.mean() + away @ away / (2 * count)
        return float(value), np.tensordot(told, error, 2) / len(targets) + away / count

    found = minimize(loss, even, jac=True, method="L-BFGS-B", bounds=[(0, None)] * members)
    result: NDArray[np.float64] = found.x
    return result
