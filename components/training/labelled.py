"""The labelled records in their folds: which of them judge, and what they say of answers."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.parts.linear import Activation, likelihood, prior

_CELLS = 1_000_000
"""Most answers, records times classes, that judge: with thousands of classes some records do."""


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """The records that the committee learns from.

    Attributes:
        rows: ``(k,)`` their numbers among the records of the views.
        targets: ``(k, classes)``, each between 0 and 1.
        folds: ``(k,)`` the fold of each.
        activation: of the logits.
    """

    rows: NDArray[np.int64]
    targets: NDArray[np.float64]
    folds: NDArray[np.int64]
    activation: Activation

    @property
    def fits(self) -> int:
        """One for each fold, and one with all records."""
        return int(self.folds.max()) + 2

    @cached_property
    def judging(self) -> NDArray[np.bool_]:
        """Which records ``(k,)`` judge when they are held out.

        Of very many times very many classes a part does, spread evenly.
        """
        return _at_most(self.telling, max(1, _CELLS // self.targets.shape[1]))

    @cached_property
    def telling(self) -> NDArray[np.bool_]:
        """Which records ``(k,)`` tell how good answers are when they are held out.

        One whose class is in no other fold does not: the fit without it has never seen the class.
        """
        if self.activation == "sigmoid":
            return np.ones(len(self.rows), dtype=np.bool_)
        codes = self.targets.argmax(axis=1)
        pairs = np.unique(np.stack([codes, self.folds], axis=1), axis=0)
        found: NDArray[np.bool_] = np.bincount(pairs[:, 0])[codes] > 1
        return found

    def weights(self) -> NDArray[np.float64]:
        """How much each record counts in each fit ``(k, fits)``."""
        held = self.folds[:, None] == np.arange(self.fits)
        found: NDArray[np.float64] = 1.0 - held
        return found

    @property
    def labels_of_one(self) -> int:
        """Labels that a record brings: for a sigmoid a yes or no for each class."""
        return self.targets.shape[1] if self.activation == "sigmoid" else 1

    @cached_property
    def prior(self) -> NDArray[np.float64]:
        """Logits ``(fits, classes)`` of a record of which nothing is told."""
        return prior(self.targets, self.weights(), self.activation)

    def prior_of(self, at: NDArray[Any] | None = None) -> NDArray[np.float64]:
        """The same ``(k, classes)`` for all or some of the records, each by the fit without it."""
        found: NDArray[np.float64] = self.prior[self.folds if at is None else self.folds[at]]
        return found

    def held_out(self, answers: NDArray[np.floating]) -> NDArray[np.float64]:
        """Answers ``(k, classes)`` of the fits without each record.

        Args:
            answers: ``(fits, k, classes)``.
        """
        return answers[self.folds, np.arange(len(self.folds))].astype(np.float64)

    def loss(self, logits: NDArray[np.floating], at: NDArray[Any] | None = None) -> float:
        """Mean negative log-likelihood of held-out logits, of all or some of the records.

        It is 0 where none of them tells anything.
        """
        losses = self._losses(logits, np.arange(len(self.rows)) if at is None else at)
        return float(losses.mean()) if len(losses) else 0.0

    def better(self, logits: NDArray[np.floating], before: NDArray[np.floating]) -> bool:
        """Whether held-out logits are better than others by more than one standard error."""
        every = np.arange(len(self.rows))
        gains = self._losses(before, every) - self._losses(logits, every)
        return len(gains) > 1 and bool(gains.mean() > gains.std(ddof=1) / np.sqrt(len(gains)))

    def _losses(self, logits: NDArray[np.floating], at: NDArray[Any]) -> NDArray[np.floating]:
        judging = self.judging[at]
        return -likelihood(logits[judging], self.targets[at[judging]], self.activation)


def _at_most(chosen: NDArray[np.bool_], most: int) -> NDArray[np.bool_]:
    """The same choice, or ``most`` of it at even distances.

    >>> _at_most(np.array([True, True, False, True, True]), 2).tolist()
    [True, False, False, False, True]
    """
    at = np.flatnonzero(chosen)
    if len(at) <= most:
        return chosen
    found = np.zeros(len(chosen), dtype=np.bool_)
    found[at[np.linspace(0, len(at) - 1, most).astype(np.int64)]] = True
    return found


def folds_of(codes: NDArray[np.int64], most: int, seed: int) -> NDArray[np.int64]:
    """Fold ``(k,)`` of each record: the records of a class are spread evenly.

    Args:
        codes: ``(k,)`` class of each record.
        most: number of folds.
        seed: of the shuffles.
    """
    rng = np.random.default_rng(seed)
    folds = np.zeros(len(codes), np.int64)
    for code in np.unique(codes):
        at = rng.permutation(np.flatnonzero(codes == code))
        folds[at] = (np.arange(len(at)) + rng.integers(most)) % most
    # A fold number that nobody got would be a fit on nothing less than all records.
    return np.unique(folds, return_inverse=True)[1].astype(np.int64)
