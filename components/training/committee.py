"""The committee: light heads on every view and on all of them side by side, weighted by evidence.

Each member is fitted once for each fold of the labelled records, without that fold, and once with
all of them. Its strength, its weight and the scale of the whole come from the answers for records
that were held out. All members are linear, so the committee is one linear map for each view.

Source: stacking, Wolpert 1992 (doi:10.1016/S0893-6080(05)80023-1), with non-negative weights as in
Breiman 1996 (doi:10.1007/BF00117832); logarithmic pooling, Genest & Zidek 1986.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from components.parts.linear import Activation, Head, Linear, activated

T = TypeVar("T")
R = TypeVar("R")
SIDE_BY_SIDE = "all"
"""What members on all views are said to read."""
_CELLS = 4_000_000
"""Most answers, records times classes, that judge: with thousands of classes some records do."""
_PATIENCE = 2
"""Strengths in a row without a better loss before a path is left."""


@dataclass(frozen=True, kw_only=True)
class Views:
    """What light heads read, of ``n`` records.

    Attributes:
        features: view name to ``(n, dim)``, rows of about unit length; zeros where it is absent.
        present: view name to ``(n,)`` bool.
    """

    features: Mapping[str, NDArray[np.float32]]
    present: Mapping[str, NDArray[np.bool_]]

    @property
    def anything(self) -> NDArray[np.bool_]:
        """Which records ``(n,)`` have a view at all."""
        found: NDArray[np.bool_] = np.any(list(self.present.values()), axis=0)
        return found


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

        One whose class is in no other fold does not: the fit without it has never seen the class.
        Of very many times very many classes a part does, spread evenly.
        """
        return _at_most(self._telling(), max(1, _CELLS // self.targets.shape[1]))

    def _telling(self) -> NDArray[np.bool_]:
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
        at = np.arange(len(self.rows)) if at is None else at
        judging = self.judging[at]
        if not judging.any():
            return 0.0
        targets = self.targets[at][judging]
        return -float(activated(logits[judging], targets, self.activation)[1].mean())


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


@dataclass(frozen=True, kw_only=True)
class Member:
    """One head on one view.

    Attributes:
        head: name of the head.
        view: what it reads.
        loss: of held-out records that have the view.
        weight: its share in the committee.
    """

    head: str
    view: str
    loss: float
    weight: float


@dataclass(frozen=True, kw_only=True)
class _Found:
    """A member as it was fitted: scaled held-out logits ``(k, classes)`` and its scaled map."""

    head: str
    view: str
    answers: NDArray[np.float64]
    loss: float
    linear: Linear


@dataclass(frozen=True, kw_only=True)
class Committee:
    """A sum of linear maps, ``fits`` times.

    Attributes:
        maps: view name to weights ``(fits, dim, classes)`` and biases, which count only where a
            record has the view.
        constant: ``(fits, classes)``.
        members: what it was made of.
    """

    maps: Mapping[str, Linear]
    constant: NDArray[np.float32]
    members: tuple[Member, ...]

    def logits(
        self, views: Views, fit: int = -1, rows: NDArray[np.int64] | slice = slice(None)
    ) -> NDArray[np.float32]:
        """``(n, classes)`` of one of the fits; the last one saw all labelled records."""
        parts = [
            linear.logits(views.features[view][rows], fit) * views.present[view][rows, None]
            for view, linear in self.maps.items()
        ]
        found: NDArray[np.float32] = np.sum([self.constant[fit] + parts[0], *parts[1:]], axis=0)
        return found

    def every(self, views: Views, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Logits ``(fits, n, classes)`` of all fits."""
        return np.stack([self.logits(views, fit, rows) for fit in range(len(self.constant))])


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


def crossfit(views: Views, labelled: Labelled, heads: Mapping[str, Head]) -> Committee:
    """Fit a committee.

    Args:
        views: of all records.
        labelled: those to learn from; each has a view.
        heads: name to head.
    """
    found = _members(views, labelled, heads)
    answers = np.stack([each.answers for each in found])
    weights = stacked(answers, labelled)
    scale = temper(np.tensordot(weights, answers, 1), labelled)
    members = tuple(
        Member(head=each.head, view=each.view, loss=each.loss, weight=round(float(weight), 4))
        for each, weight in zip(found, weights, strict=True)
    )
    parts = [
        (each.view, each.linear, weight * scale)
        for each, weight in zip(found, weights, strict=True)
        if weight > 0
    ]
    return joined(views, parts, labelled.targets.shape[1], labelled.fits, members)


def joined(
    views: Views,
    parts: list[tuple[str, Linear, float]],
    classes: int,
    fits: int,
    members: tuple[Member, ...],
) -> Committee:
    """The weighted sum of linear maps of views, or of all of them side by side."""
    dims = {view: x.shape[1] for view, x in views.features.items()}
    weight = {v: np.zeros((fits, dim, classes), np.float32) for v, dim in dims.items()}
    bias = {view: np.zeros((fits, classes), np.float32) for view in dims}
    constant = np.zeros((fits, classes), np.float32)
    for view, linear, factor in parts:
        if view != SIDE_BY_SIDE:
            weight[view] += factor * linear.weight
            bias[view] += factor * linear.bias
            continue
        start = 0
        for each, dim in dims.items():
            weight[each] += factor * linear.weight[:, start : start + dim]
            start += dim
        constant += factor * linear.bias
    maps = {view: Linear(weight=weight[view], bias=bias[view]) for view in dims}
    return Committee(maps=maps, constant=constant, members=members)


def at_once(work: Callable[[T], R], tasks: Iterable[T]) -> list[R]:
    """Do several tasks at a time: their products are too small to share among cores."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(work, tasks))


def _members(views: Views, labelled: Labelled, heads: Mapping[str, Head]) -> list[_Found]:
    """Every member that can be judged."""
    names = [*views.features, *([SIDE_BY_SIDE] if len(views.features) > 1 else [])]
    tasks = [(view, name) for view in names for name in heads]

    def one(task: tuple[str, str]) -> _Found | None:
        view, name = task
        return _member(views, labelled, view, name, heads[name])

    return [found for found in at_once(one, tasks) if found is not None]


def _member(views: Views, labelled: Labelled, view: str, name: str, head: Head) -> _Found | None:
    at, x = _read(views, labelled, view)
    if len(np.unique(labelled.folds[at])) < labelled.fits - 1:
        return None  # a fit without a fold that none of these records is in would see them all
    held, linear, loss = _best(head, x, labelled, at)
    answers = np.zeros(labelled.targets.shape)
    answers[at] = held
    return _Found(head=name, view=view, answers=answers, loss=loss, linear=linear)


def _read(
    views: Views, labelled: Labelled, view: str
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Which labelled records have a view, and their features."""
    if view == SIDE_BY_SIDE:
        features = [x[labelled.rows] for x in views.features.values()]
        return np.arange(len(labelled.rows)), np.hstack(features)
    at = np.flatnonzero(views.present[view][labelled.rows])
    return at, views.features[view][labelled.rows[at]]


def _best(
    head: Head, x: NDArray[np.float32], labelled: Labelled, at: NDArray[np.int64]
) -> tuple[NDArray[np.float64], Linear, float]:
    """The point of a head's path with the least loss on held-out records."""
    basis = span(x)
    reduced = x if basis is None else x @ basis
    weights, folds = labelled.weights()[at], labelled.folds[at]
    best: tuple[NDArray[np.float64], Linear, float] | None = None
    worse = 0
    for linear in head.path(reduced, labelled.targets[at], weights, labelled.activation):
        logits = np.stack([linear.logits(reduced, fit) for fit in range(labelled.fits - 1)])
        held = logits[folds, np.arange(len(at))].astype(np.float64)
        scale = temper(held, labelled, at)
        loss = labelled.loss(held * scale, at)
        if best is None or loss < best[2]:
            best, worse = (held * scale, linear.times(scale), loss), 0
        elif (worse := worse + 1) == _PATIENCE:
            break
    assert best is not None
    held, linear, loss = best
    return held, linear if basis is None else linear.within(basis), loss


def span(x: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Orthonormal columns that span the rows ``(n, dim)``, if they are fewer than the columns.

    A penalised linear fit lies in the span of its records, so nothing is lost.
    """
    if len(x) >= x.shape[1]:
        return None
    found: NDArray[np.float32] = np.linalg.qr(x.T)[0]
    return found


def temper(
    logits: NDArray[np.floating], labelled: Labelled, at: NDArray[Any] | None = None
) -> float:
    """The factor that makes the labels most likely under logits ``(k, classes)``.

    It is drawn towards 1 by as much as one record says.
    """
    from scipy.optimize import minimize_scalar

    count = len(logits)

    def loss(exponent: float) -> float:
        return labelled.loss(logits * np.exp(exponent), at) + exponent**2 / (2 * count)

    return float(np.exp(minimize_scalar(loss, bounds=(-5, 5), method="bounded").x))


def stacked(answers: NDArray[np.float64], labelled: Labelled) -> NDArray[np.float64]:
    """Weights ``(members,)``, none negative, that make the labels most likely.

    They are drawn towards equal ones by as much as one record says.

    Args:
        answers: scaled held-out logits ``(members, k, classes)``.
        labelled: the records.
    """
    from scipy.optimize import minimize

    members = len(answers)
    even = np.full(members, 1.0 / members)
    told, targets = answers[:, labelled.judging], labelled.targets[labelled.judging]
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
