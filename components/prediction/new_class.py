"""A column for a new class, from a few exemplars, without fitting the model again.

Each view compares a record ``x`` with the mean ``m`` of the exemplars and the mean ``u`` of the
other records: ``(x - u)' A (m - u) - (m - u)' A (m - u) / 2``, once with ``A`` the unit matrix
(nearest mean) and once with the inverse of the shrunken covariance within classes (linear
discriminant). The new logit is the mean of the known classes' logits and a weighted sum of these
scores. The weights are not fitted to the exemplars, which are too few: each known class is taken
for new in turn, with as many exemplars, and the weights are those that make the others of its
records and of the other classes most likely, beside the logits that the model has for them. So the
logits of known classes stay as they are, and what they lose to the new class is weighed.

Source: nearest class mean for new classes, Mensink et al. 2013 (doi:10.1109/TPAMI.2013.83);
shrunken covariance, Friedman 1989 (doi:10.1080/01621459.1989.10478752).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from components.core.errors import UserError
from components.features.rows import Rows
from components.model.reference import Reference

Floats = NDArray[np.float64]
_DIRECTIONS, _SHRINKAGE = 128, 0.3
_DRAWS = 3
"""How often each known class is taken for new, with other exemplars."""
_MOST_CLASSES = 200
"""Known classes that are taken for new; of more, as many drawn at random."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """What a view adds to the mean logit of known classes: ``x @ weight + bias``.

    Attributes:
        weight: ``(dim,)``.
        bias: a number.
    """

    weight: NDArray[np.float32]
    bias: float


@dataclass(frozen=True, kw_only=True)
class Found:
    """A new class.

    Attributes:
        columns: view name to its column; a view that no exemplar has is left out.
        recognised: share of held-out records of known classes that got their class, when it was
            taken for new.
        lost: share of the other records that got that class then.
        records: how many records of known classes the weights come from.
    """

    columns: dict[str, Column]
    recognised: float
    lost: float
    records: int


@dataclass(frozen=True, kw_only=True)
class _Metric:
    """One view of the reference records, and both matrices ``A``.

    Attributes:
        rows: ``(n, dim)``.
        has: ``(n,)`` bool.
        basis: orthonormal columns ``(dim, k)``.
        precision: inverse covariance within classes along them ``(k, k)``.
        products: ``x' A y`` of all pairs of records ``(n, n)``, for each ``A``.
        expected: means of all classes ``(classes, dim)`` as their names tell them; None: exemplars
            tell them.
    """

    rows: Rows
    has: NDArray[np.bool_]
    basis: NDArray[np.float32]
    precision: Floats
    products: tuple[NDArray[np.float32], NDArray[np.float32]]
    expected: Floats | None = None

    def directions(self, difference: Floats) -> tuple[Floats, Floats]:
        """``A d`` of a difference ``d (dim,)``, for each ``A``."""
        return difference, self.basis @ (self.precision @ (self.basis.T @ difference))

    def scores(self, shown: NDArray[np.int64], own: NDArray[np.bool_], number: int) -> Floats:
        """What the view says of all records if some of a class are its exemplars, ``(n, 3)``.

        Args:
            shown: numbers of the exemplars.
            own: ``(n,)`` all records of the class.
            number: of the class.
        """
        if self.expected is not None:
            return self._by_name(self.expected[number], own)
        at = np.zeros(len(own))
        at[shown] = 1.0
        exemplars, rest = at * self.has, (self.has & ~own).astype(np.float64)
        found = np.zeros((len(own), 3))
        if not exemplars.any() or not rest.any():
            return found
        mean, centre = exemplars / exemplars.sum(), rest / rest.sum()
        for column, products in enumerate(self.products):
            towards = products @ (mean - centre)
            found[:, column] = towards - (mean + centre) @ towards / 2
        found[:, 2] = 1.0
        found[~self.has] = 0.0
        return found

    def _by_name(self, mean: Floats, own: NDArray[np.bool_]) -> Floats:
        """The same, from the mean that a name tells."""
        found = np.zeros((len(own), 3))
        centre = _mean(self.rows, self.has & ~own)
        for column, way in enumerate(self.directions(mean - centre)):
            found[:, column] = self.rows @ way - (mean + centre) @ way / 2
        found[:, 2] = 1.0
        found[~self.has] = 0.0
        return found


def fit(
    reference: Reference,
    names: Mapping[str, int],
    exemplars: Mapping[str, Rows],
    present: NDArray[np.bool_],
    *,
    several: bool,
    expected: Mapping[str, Floats] | None = None,
) -> Found:
    """Find the column of a new class.

    Args:
        reference: the model's training records.
        names: view name to the column of its modality in ``present``.
        exemplars: view name to rows ``(e, dim)`` of the exemplars.
        present: ``(e, modalities)``.
        several: whether a record has a set of classes.
        expected: view name to the means of the known classes ``(classes, dim)`` that their names
            tell, where the exemplars are the one that the new name tells.

    Raises:
        UserError: no known class has two records to learn from.
    """
    memberships = memberships_of(reference, several)
    counts = memberships.sum(axis=0)
    eligible = np.flatnonzero(counts >= 2)
    if not len(eligible):
        raise UserError(
            "a class is added by what the model's own classes show, and none of them has two"
            " labelled training records; label some more and run again"
        )
    read = {
        view: _used(reference.views[view], exemplars[view])
        for view, column in names.items()
        if view in reference.views and view in exemplars and present[:, column].any()
    }
    metrics = {
        view: replace(
            _metric(used.reference, reference.present[:, names[view]], memberships),
            expected=None if expected is None else expected[view],
        )
        for view, used in read.items()
    }
    if not metrics:
        raise UserError(
            "the exemplars have no view that light heads read; give another modality of them"
        )
    shown = len(present) if expected is None else 0
    episodes = _episodes(reference, memberships, eligible, shown, metrics, several)
    weights = _weights(episodes)
    recognised, lost = _worth(episodes, weights)
    columns = {}
    for place, (view, metric) in enumerate(metrics.items()):
        has = present[:, names[view]]
        mean = _mean(read[view].exemplars, has)
        centre = _mean(metric.rows, metric.has)
        own = weights[3 * place : 3 * place + 3]
        first, second = metric.directions(mean - centre)
        way = own[0] * first + own[1] * second
        bias = float(own[2] - (mean + centre) @ way / 2)
        columns[view] = Column(weight=read[view].spread(way), bias=bias)
    return Found(
        columns=columns, recognised=recognised, lost=lost, records=int(counts[eligible].sum())
    )


def known_classes(reference: Reference, *, several: bool) -> NDArray[np.int64]:
    """Numbers of the classes that a reference record with logits has."""
    found: NDArray[np.int64] = np.flatnonzero(memberships_of(reference, several).any(axis=0))
    return found


def memberships_of(reference: Reference, several: bool) -> NDArray[np.bool_]:
    """Which classes ``(n, classes)`` each record has; none where it is not judged."""
    if several:
        found: NDArray[np.bool_] = (reference.labels == 1) & reference.judged[:, None]
        return found
    codes = np.where(reference.judged, reference.labels, -1)
    return np.asarray(codes[:, None] == np.arange(reference.logits.shape[1]))


@dataclass(frozen=True, kw_only=True)
class _Used:
    """Rows of a view without the columns that are zero in all of them.

    Attributes:
        reference: ``(n, used)``.
        exemplars: ``(e, used)``.
        columns: which columns they are, ``(used,)``; None: all.
        dim: number of columns of the view.
    """

    reference: Rows
    exemplars: Rows
    columns: NDArray[np.int64] | None
    dim: int

    def spread(self, values: Floats) -> NDArray[np.float32]:
        """``(used,)`` in their places ``(dim,)``."""
        found = np.zeros(self.dim, np.float32)
        found[slice(None) if self.columns is None else self.columns] = values
        return found


def _used(reference: Rows, exemplars: Rows) -> _Used:
    dim = reference.shape[1]
    if isinstance(reference, np.ndarray):
        return _Used(reference=reference, exemplars=exemplars, columns=None, dim=dim)
    columns = np.union1d(reference.indices, exemplars.indices)
    return _Used(
        reference=reference[:, columns], exemplars=exemplars[:, columns], columns=columns, dim=dim
    )


def _metric(rows: Rows, has: NDArray[np.bool_], memberships: NDArray[np.bool_]) -> _Metric:
    """A view of the reference records; ``has (n,)`` are those that have it."""
    basis = _basis(rows[np.flatnonzero(has)])
    inside = np.asarray(rows @ basis, dtype=np.float64)
    shrunken = _shrunken(inside, memberships & has[:, None])
    precision: Floats = np.asarray(np.linalg.inv(shrunken), dtype=np.float64)
    plain = rows @ rows.T
    products = plain if isinstance(plain, np.ndarray) else plain.toarray()
    return _Metric(
        rows=rows,
        has=has,
        basis=basis,
        precision=precision,
        products=(products, (inside @ precision @ inside.T).astype(np.float32)),
    )


def _shrunken(inside: Floats, memberships: NDArray[np.bool_]) -> Floats:
    """The covariance ``(k, k)`` within classes, of unit size, drawn towards the unit matrix."""
    total, records = np.zeros((inside.shape[1], inside.shape[1])), 0
    for own in memberships.T:
        if own.sum() > 1:
            away = inside[own] - inside[own].mean(axis=0)
            total += away.T @ away
            records += len(away) - 1
    size = max(float(np.trace(total)) / len(total), 1e-12)
    found: Floats = (1 - _SHRINKAGE) * total / size + _SHRINKAGE * np.eye(len(total))
    return found


def _basis(rows: Rows) -> NDArray[np.float32]:
    """Directions ``(dim, k)`` of greatest variance of rows."""
    from sklearn.utils.extmath import randomized_svd

    most = min(_DIRECTIONS, *rows.shape)
    centred = rows - rows.mean(axis=0) if isinstance(rows, np.ndarray) else rows
    _, _, directions = randomized_svd(centred, most, n_iter=2, random_state=0)
    return np.ascontiguousarray(directions.T, dtype=np.float32)


def _mean(rows: Rows, at: NDArray[np.bool_]) -> Floats:
    chosen = np.flatnonzero(at)
    if not len(chosen):
        return np.zeros(rows.shape[1])
    return np.asarray(rows[chosen].mean(axis=0), dtype=np.float64).ravel()


@dataclass(frozen=True, kw_only=True)
class _Episodes:
    """Known classes taken for new: ``k`` pairs of record and class.

    Attributes:
        scores: ``(k, 3 * views)``: both scores of each view, and whether the record has it.
        offsets: ``(k,)`` the logit against the other classes if all scores are 0.
        best: ``(k,)`` the same against the best of the others.
        right: ``(k,)`` bool: the record has the class.
        counts: ``(k,)`` how much each pair counts.
    """

    scores: Floats
    offsets: Floats
    best: Floats
    right: NDArray[np.bool_]
    counts: Floats


def _episodes(
    reference: Reference,
    memberships: NDArray[np.bool_],
    eligible: NDArray[np.int64],
    exemplars: int,
    metrics: Mapping[str, _Metric],
    several: bool,
) -> _Episodes:
    draw = np.random.default_rng(0)
    if len(eligible) > _MOST_CLASSES:
        eligible = np.sort(draw.choice(eligible, _MOST_CLASSES, replace=False))
    known = np.flatnonzero(memberships.any(axis=0))
    parts = []
    for c in eligible.tolist():
        own = np.flatnonzero(memberships[:, c])
        others = np.flatnonzero(reference.judged & ~memberships[:, c])
        offsets, best = _offsets(reference.logits, known[known != c], several)
        for _ in range(_DRAWS if exemplars else 1):
            shown = draw.permutation(own)[: min(exemplars, len(own) // 2)]
            asked = np.concatenate([np.setdiff1d(own, shown), others])
            right = np.arange(len(asked)) < len(own) - len(shown)
            seen = [m.scores(shown, memberships[:, c], c)[asked] for m in metrics.values()]
            # The records that were not shown stand for all of the class.
            counts = np.where(right, len(own) / max(1, right.sum()), 1.0)
            parts.append((np.hstack(seen), offsets[asked], best[asked], right, counts))
    whole = [np.concatenate(part) for part in zip(*parts, strict=True)]
    return _Episodes(
        scores=whole[0],
        offsets=whole[1],
        best=whole[2],
        right=whole[3],
        counts=whole[4] / whole[4].sum(),
    )


def _offsets(
    logits: NDArray[np.float32], others: NDArray[np.int64], several: bool
) -> tuple[Floats, Floats]:
    """The mean logit of the other classes less their common one, and less the best, ``(n,)``."""
    if several or not len(others):  # each class stands for itself
        zeros = np.zeros(len(logits))
        return zeros, zeros
    from scipy.special import logsumexp

    theirs = logits[:, others].astype(np.float64)
    mean = theirs.mean(axis=1)
    return mean - logsumexp(theirs, axis=1), mean - theirs.max(axis=1)


def _weights(found: _Episodes) -> Floats:
    """Weights ``(3 * views,)`` that make the pairs most likely; those of scores are not negative.

    They are drawn towards 0 by as much as one record says.
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    size = np.sqrt(found.counts @ np.square(found.scores)) + 1e-12
    scores = found.scores / size
    strength = float(found.counts.min())

    def loss(weights: Floats) -> tuple[float, Floats]:
        logits = scores @ weights + found.offsets
        value = found.counts @ np.logaddexp(0, np.where(found.right, -logits, logits))
        slope = scores.T @ (found.counts * (expit(logits) - found.right))
        return float(value + strength * weights @ weights / 2), slope + strength * weights

    bounds = [(0, None), (0, None), (None, None)] * (scores.shape[1] // 3)
    weights = minimize(loss, np.zeros(len(size)), jac=True, method="L-BFGS-B", bounds=bounds).x
    result: Floats = weights / size
    return result


def _worth(found: _Episodes, weights: Floats) -> tuple[float, float]:
    """Share of records that got the class taken for new: of its own, and of the others."""
    given = found.scores @ weights + found.best > 0
    own, others = given[found.right], given[~found.right]
    return float(own.mean()) if len(own) else float("nan"), float(others.mean())
