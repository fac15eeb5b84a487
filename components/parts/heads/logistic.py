"""Logistic regression with a penalty on the squared weights, fitted along a path of strengths.

Source: Hastie, Tibshirani & Friedman, The Elements of Statistical Learning, 4.4; a path with warm
starts, Friedman et al. 2010 (doi:10.18637/jss.v033.i01).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from components.parts.linear import Activation, Linear, activated

LIBRARIES = ("numpy", "scipy")
METHOD = {
    "id": "H01a",
    "name": "linear probe (logistic regression)",
    "for": "the floor that every method must beat, and the default committee",
    "needs": "labels of every class; at most some thousands of classes",
    "use": "model: {heads: [logistic]}",
}
_WORK = 2e12
"""Most multiplications and additions of a path, about a minute of one core: thousands of classes on
wide features would take hours. The strong penalties, which few records per class want, come first.
"""
_FEWEST = 30
"""Evaluations of the loss without which not even the strongest penalty is fitted well."""
_CELLS = 3e7
"""Most logits, of all records in all fits, at once: about a gigabyte with what is made of them."""
_MEMORY = 5e8
"""Bytes that L-BFGS may remember its last steps in."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """How the head is fitted.

    Attributes:
        strengths: inverse weights of the penalty, from strong to weak, for features whose rows have
            about unit length.
        iterations: most steps of L-BFGS for each strength.
    """

    strengths: Annotated[
        tuple[Annotated[float, Field(gt=0, le=1_000_000)], ...], Field(min_length=1)
    ] = (*(0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0),)
    iterations: Annotated[int, Field(ge=1)] = 60


class LogisticHead:
    """One fit for each column of sample weights, all of them together."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def affordable(self, records: int, dim: int, fits: int, classes: int, /) -> bool:
        """Whether the strongest penalty at least can be fitted well; see ``Head.affordable``."""
        enough = _evaluations(records, dim, fits, classes) >= _FEWEST
        return enough and records * fits * classes <= _CELLS

    def path(
        self,
        features: NDArray[np.float32],
        targets: NDArray[np.floating],
        weights: NDArray[np.floating],
        activation: Activation,
    ) -> Iterator[Linear]:
        """Fits from the strongest penalty to the weakest, each started at the one before.

        The path ends early where very many classes make it too much work. See ``Head.path``.
        """
        problem = _Problem(features, targets, weights, activation)
        at = problem.start()
        for strength in self._config.strengths:
            at = problem.solve(at, 1.0 / strength, self._config.iterations)
            yield problem.linear(at)
            if problem.left <= 0:
                return


def _evaluations(records: int, dim: int, fits: int, classes: int) -> int:
    """How often a path may evaluate its loss."""
    return int(_WORK // max(4.0 * records * dim * fits * classes, 1.0))


class _Problem:
    """The penalised negative log-likelihood of all fits, and its gradient."""

    def __init__(
        self,
        features: NDArray[np.float32],
        targets: NDArray[np.floating],
        weights: NDArray[np.floating],
        activation: Activation,
    ) -> None:
        self._x = np.ascontiguousarray(features, dtype=np.float32)
        self._q = targets.astype(np.float32)[:, None, :]
        self._w = weights.astype(np.float32)[:, :, None]
        self._activation = activation
        self._totals = np.maximum(weights.sum(axis=0, dtype=np.float64), 1e-12)
        self._shape = (self._x.shape[1], weights.shape[1], targets.shape[1])
        self.left = max(_FEWEST, _evaluations(len(self._x), *self._shape))
        """Evaluations of the loss that are left to the path."""

    def start(self) -> NDArray[np.float64]:
        dim, fits, classes = self._shape
        return np.zeros((dim + 1) * fits * classes)

    def solve(
        self, start: NDArray[np.float64], penalty: float, iterations: int
    ) -> NDArray[np.float64]:
        from scipy.optimize import minimize

        steps = int(np.clip(_MEMORY // (2 * start.nbytes), 3, 10))
        options = {
            "maxiter": iterations, "maxfun": self.left, "maxcor": steps, "ftol": 1e-6, "gtol": 1e-6
        }  # fmt: skip
        found = minimize(
            self._loss, start, args=(penalty,), jac=True, method="L-BFGS-B", options=options
        )
        self.left -= found.nfev
        result: NDArray[np.float64] = found.x
        return result

    def linear(self, at: NDArray[np.float64]) -> Linear:
        dim, fits, classes = self._shape
        found = at.reshape(dim + 1, fits, classes).transpose(1, 0, 2).astype(np.float32)
        return Linear(weight=found[:, :dim], bias=found[:, dim])

    def _loss(self, at: NDArray[np.float64], penalty: float) -> tuple[float, NDArray[np.float64]]:
        """Each fit's loss is divided by its total weight, so that all have one curvature."""
        dim, fits, classes = self._shape
        table = at.reshape(dim + 1, fits * classes).astype(np.float32)
        logits = (self._x @ table[:dim] + table[dim]).reshape(-1, fits, classes)
        p, log_likelihood = activated(logits, self._q, self._activation)
        losses = -(log_likelihood * self._w[:, :, 0]).sum(axis=0, dtype=np.float64)
        squares = np.square(table[:dim]).reshape(dim, fits, classes).sum(axis=(0, 2))
        losses += 0.5 * penalty * squares
        errors = ((p - self._q) * self._w).reshape(-1, fits * classes)
        gradient = np.empty((dim + 1, fits, classes))
        gradient[:dim] = (self._x.T @ errors + penalty * table[:dim]).reshape(dim, fits, classes)
        gradient[dim] = errors.sum(axis=0, dtype=np.float64).reshape(fits, classes)
        gradient /= self._totals[None, :, None]
        return float((losses / self._totals).sum()), gradient.ravel()


def build(config: Config) -> LogisticHead:
    """A logistic head."""
    return LogisticHead(config)
