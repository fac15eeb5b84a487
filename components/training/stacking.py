"""What members of the committee weigh, and the scale of their sum, by held-out records."""

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

    It is drawn towards 1 by as much as one record says, or where logits spread more than usual,
    towards the usual spread: a few records that are all answered rightly would let any pass. Where
    none of the records can judge, since each is the only one of its class, the usual spread is it.
    """
    from scipy.optimize import minimize_scalar

    at = np.arange(len(labelled.rows)) if at is None else at
    count, judging = len(logits), labelled.judging[at]
    usual = _usual(logits)
    if not judging.any():
        return usual
    told, own, middle = logits[judging], at[judging], min(0.0, float(np.log(usual)))

    def loss(exponent: float) -> float:
        away = exponent - middle
        return labelled.loss(told * np.exp(exponent), own) + away**2 / (2 * count)

    return float(np.exp(minimize_scalar(loss, bounds=(middle - 5, middle + 5), method="bounded").x))


def _usual(logits: NDArray[np.floating]) -> float:
    """The factor that gives logits ``(k, classes)`` the usual spread; 1 without any."""
    spread = logits.std(axis=1) if logits.size else np.zeros(0)
    return float(_SPREAD / spread.mean()) if spread.any() else 1.0


def stacked(
    answers: NDArray[np.float64], labelled: Labelled, at: NDArray[Any] | None = None
) -> NDArray[np.float64]:
    """Weights ``(members,)``, none negative, that make the labels most likely.

    They are drawn towards equal ones by as much as one record says.

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
    if not (count := len(targets)):
        return even

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        p, likelihood = activated(np.tensordot(weights, told, 1), targets, labelled.activation)
        mass = targets.sum(axis=1, keepdims=True)
        error = (p * mass if labelled.activation == "softmax" else p) - targets
        away = weights - even
        value = -likelihood.mean() + away @ away / (2 * count)
        return float(value), np.tensordot(told, error, 2) / count + away / count

    found = minimize(loss, even, jac=True, method="L-BFGS-B", bounds=[(0, None)] * members)
    result: NDArray[np.float64] = found.x
    return result
