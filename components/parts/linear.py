"""Linear maps from features to logits, and the likelihood of soft targets under logits."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Activation = Literal["softmax", "sigmoid"]
"""``softmax``: a record has one class; ``sigmoid``: any number of them."""


@dataclass(frozen=True, kw_only=True)
class Linear:
    """Several linear maps of one view.

    Attributes:
        weight: ``(fits, dim, classes)``.
        bias: ``(fits, classes)``.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]

    def logits(self, features: NDArray[np.float32], fit: int) -> NDArray[np.float32]:
        """``(n, classes)`` of features ``(n, dim)`` under one of the fits."""
        found: NDArray[np.float32] = features @ self.weight[fit] + self.bias[fit]
        return found

    def times(self, factor: float) -> "Linear":
        """The maps with all logits multiplied."""
        scale = np.float32(factor)
        return Linear(weight=self.weight * scale, bias=self.bias * scale)

    def plus(self, constant: NDArray[np.floating] | float) -> "Linear":
        """The maps with ``(fits, classes)`` or one number added to all logits."""
        return Linear(weight=self.weight, bias=self.bias + np.float32(constant))

    def within(self, basis: NDArray[np.float32]) -> "Linear":
        """The maps of features ``(n, all)``, where these read ``features @ basis (all, dim)``."""
        return Linear(weight=basis @ self.weight, bias=self.bias)


class Head(Protocol):
    """A light head: a file in ``heads/`` exports ``Config`` and ``build(config) -> Head``."""

    def affordable(self, records: int, dim: int, fits: int, classes: int, /) -> bool:
        """Whether fits of this size take bearable work and memory."""
        ...

    def path(
        self,
        features: NDArray[np.float32],
        targets: NDArray[np.floating],
        weights: NDArray[np.floating],
        activation: Activation,
    ) -> Iterator[Linear]:
        """Fits from the strongest regularisation to the weakest.

        Args:
            features: ``(n, dim)``.
            targets: ``(n, classes)``, each between 0 and 1; rows sum to 1 for a softmax.
            weights: ``(n, fits)``: in a column, how much each record counts in one fit.
            activation: of the logits.
        """
        ...


def activated(
    logits: NDArray[np.floating], targets: NDArray[np.floating], activation: Activation
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Probabilities ``(…, classes)`` of logits, and the log-likelihood ``(…)`` of soft targets.

    >>> p, likelihood = activated(np.zeros((1, 2)), np.array([[1.0, 0.0]]), "softmax")
    >>> p.tolist(), round(float(likelihood[0]), 3)
    ([[0.5, 0.5]], -0.693)
    """
    if activation == "softmax":
        shifted = logits - logits.max(axis=-1, keepdims=True)
        exponentials = np.exp(shifted)
        total = exponentials.sum(axis=-1, keepdims=True)
        mass = targets.sum(axis=-1)
        likelihood = (targets * shifted).sum(axis=-1) - mass * np.log(total[..., 0])
        return exponentials / total, likelihood
    # log sigmoid(z) = -log(1 + exp(-z)), and log(1 - sigmoid(z)) = log sigmoid(z) - z
    log_p = -np.logaddexp(0, -logits)
    return np.exp(log_p), (log_p - (1 - targets) * logits).sum(axis=-1)


def likelihood(
    logits: NDArray[np.floating], targets: NDArray[np.floating], activation: Activation
) -> NDArray[np.floating]:
    """The log-likelihood alone of ``activated``, in half of the time and memory.

    >>> likelihood(np.zeros((1, 2)), np.array([[1.0, 0.0]]), "softmax").round(3).tolist()
    [-0.693]
    """
    if activation == "sigmoid":
        return activated(logits, targets, activation)[1]
    shifted = logits - logits.max(axis=-1, keepdims=True)
    found: NDArray[np.floating] = (targets * shifted).sum(axis=-1)
    total = np.exp(shifted, out=shifted).sum(axis=-1)
    found -= targets.sum(axis=-1) * np.log(total)
    return found


def prior(
    targets: NDArray[np.floating], weights: NDArray[np.floating], activation: Activation
) -> NDArray[np.float64]:
    """Logits ``(fits, classes)`` of who knows nothing but how many records have each class.

    They are zeros for a softmax, whose classes are labelled as often as people chose. Half a record
    with the class and half a one without it are counted beside the others.

    >>> prior(np.array([[1.0], [0.0], [0.0]]), np.ones((3, 1)), "sigmoid").round(3).tolist()
    [[-0.511]]
    """
    if activation == "softmax":
        return np.zeros((weights.shape[1], targets.shape[1]))
    having, lacking = weights.T @ targets, weights.T @ (1.0 - targets)
    found: NDArray[np.float64] = np.log((having + 0.5) / (lacking + 0.5))
    return found


def class_means(
    features: NDArray[np.float64], targets: NDArray[np.floating], weights: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean ``(classes, dim)`` and mass ``(classes,)`` of each class; zeros without a record.

    >>> means, masses = class_means(np.array([[1.0], [3.0]]), np.array([[1.0], [1.0]]), np.ones(2))
    >>> means.tolist(), masses.tolist()
    ([[2.0]], [2.0])
    """
    shares = targets * weights[:, None]
    masses = shares.sum(axis=0)
    return shares.T @ features / np.maximum(masses, 1e-12)[:, None], masses


def without_evidence(
    weight: NDArray[np.float64], bias: NDArray[np.float64], masses: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights ``(dim, classes)`` and biases ``(classes,)`` that say nothing of unseen classes.

    A class without a record is as likely as one that a record has nothing to do with: its logit is
    the mean bias of the others. A record's other views may still tell that class.

    >>> weight, bias = np.array([[1.0, 7.0, 2.0]]), np.array([-3.0, 0.0, -1.0])
    >>> [x.tolist() for x in without_evidence(weight, bias, np.array([2.0, 0.0, 1.0]))]
    [[[1.0, 0.0, 2.0]], [-3.0, -2.0, -1.0]]
    """
    has = masses > 0
    if not has.any():
        return weight, bias
    return np.where(has, weight, 0.0), np.where(has, bias, bias[has].mean())
