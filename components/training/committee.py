"""The committee: light heads on every view and on all of them side by side, weighted by evidence.

Each member is fitted once for each fold of the labelled records, without that fold, and once with
all of them. Its strength, its weight and the scale of the whole come from the answers for records
that were held out. All members are linear, so the committee is one linear map for each view.

Source: stacking, Wolpert 1992 (doi:10.1016/S0893-6080(05)80023-1), with non-negative weights as in
Breiman 1996 (doi:10.1007/BF00117832); logarithmic pooling, Genest & Zidek 1986.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.parts.linear import Activation, Head, Linear, activated, likelihood
from components.training.at_once import at_once

SIDE_BY_SIDE = "all"
"""What members on all views are said to read."""
_CELLS = 4_000_000
"""Most answers, records times classes, that judge: with thousands of classes some records do."""
_AT_ONCE = 40_000_000
"""Most such answers that members in the making have together; each takes some 50 bytes."""
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
        judging, targets = self.judges(at)
        return self.mean_loss(logits[judging], targets)

    def judges(
        self, at: NDArray[Any] | None = None
    ) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Which of all or some of the records judge, and their targets."""
        at = np.arange(len(self.rows)) if at is None else at
        judging: NDArray[np.bool_] = self.judging[at]
        return judging, self.targets[at[judging]]

    def mean_loss(self, logits: NDArray[np.floating], targets: NDArray[np.float64]) -> float:
        """Mean negative log-likelihood, 0 without a record."""
        if not len(targets):
            return 0.0
        return -float(likelihood(logits, targets, self.activation).mean())


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
    """A member as it was fitted, with its scaled map."""

    head: str
    view: str
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
        left_out: heads and views that would have been too much work.
    """

    maps: Mapping[str, Linear]
    constant: NDArray[np.float32]
    members: tuple[Member, ...]
    left_out: tuple[tuple[str, str], ...] = ()

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
    tasks, left_out = _tasks(views, labelled, heads)
    found, answers = _members(views, labelled, tasks, heads)
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
    committee = joined(views, parts, labelled.targets.shape[1], labelled.fits, members)
    return replace(committee, left_out=left_out)


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


def _members(
    views: Views, labelled: Labelled, tasks: Sequence[tuple[str, str]], heads: Mapping[str, Head]
) -> tuple[list[_Found], NDArray[np.float64]]:
    """A member for each head and view, and scaled held-out logits ``(members, k, classes)``."""
    answers = np.zeros((len(tasks), *labelled.targets.shape))

    def one(number: int) -> _Found:
        name, view = tasks[number]
        at = _has(views, labelled, view)
        held, linear, loss = _best(heads[name], _read(views, labelled, view, at), labelled, at)
        answers[number, at] = held
        return _Found(head=name, view=view, loss=loss, linear=linear)

    most = max(1, _AT_ONCE // labelled.targets.size)
    return at_once(one, range(len(tasks)), most), answers


def _tasks(
    views: Views, labelled: Labelled, heads: Mapping[str, Head]
) -> tuple[list[tuple[str, str]], tuple[tuple[str, str], ...]]:
    """Heads and views that can be fitted and judged, and those that would be too much work."""
    tasks: dict[tuple[str, str], bool] = {}
    for view in [*views.features, *([SIDE_BY_SIDE] if len(views.features) > 1 else [])]:
        at = _has(views, labelled, view)
        if len(np.unique(labelled.folds[at])) < labelled.fits - 1:
            continue  # a fit without a fold that none of these records is in would see them all
        read = views.features if view == SIDE_BY_SIDE else [view]
        dim = min(len(at), sum(views.features[each].shape[1] for each in read))
        size = (len(at), dim, labelled.fits, labelled.targets.shape[1])
        tasks |= {(name, view): head.affordable(*size) for name, head in heads.items()}
    left_out = tuple(task for task, can in tasks.items() if not can)
    return [task for task, can in tasks.items() if can], left_out


def _has(views: Views, labelled: Labelled, view: str) -> NDArray[np.int64]:
    """Which labelled records ``(m,)`` have a view."""
    if view == SIDE_BY_SIDE:
        return np.arange(len(labelled.rows))
    return np.flatnonzero(views.present[view][labelled.rows])


def _read(
    views: Views, labelled: Labelled, view: str, at: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Features ``(m, dim)`` of labelled records."""
    rows = labelled.rows[at]
    if view == SIDE_BY_SIDE:
        return np.hstack([x[rows] for x in views.features.values()])
    return views.features[view][rows]


def _best(
    head: Head, x: NDArray[np.float32], labelled: Labelled, at: NDArray[np.int64]
) -> tuple[NDArray[np.float64], Linear, float]:
    """The point of a head's path with the least loss on held-out records."""
    basis = span(x)
    reduced = x if basis is None else x @ basis
    weights, folds = labelled.weights()[at], labelled.folds[at]
    targets = labelled.targets if len(at) == len(labelled.rows) else labelled.targets[at]
    best: tuple[NDArray[np.float64], Linear, float] | None = None
    worse = 0
    for linear in head.path(reduced, targets, weights, labelled.activation):
        held = np.empty((len(at), labelled.targets.shape[1]))
        for fit in range(labelled.fits - 1):
            held[folds == fit] = linear.logits(reduced, fit)[folds == fit]
        held *= (scale := temper(held, labelled, at))
        loss = labelled.loss(held, at)
        if best is None or loss < best[2]:
            best, worse = (held, linear.times(scale), loss), 0
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
    judging, targets = labelled.judges(at)
    told = logits[judging]

    def loss(exponent: float) -> float:
        return labelled.mean_loss(told * np.exp(exponent), targets) + exponent**2 / (2 * count)

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
