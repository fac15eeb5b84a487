"""How one view compares records with a class, given its mean and that of the other records.

The score of a record ``x`` is ``(x - u)' A (m - u) - (m - u)' A (m - u) / 2`` with the mean ``m``
of the exemplars and the mean ``u`` of the other records, once with ``A`` the unit matrix (nearest
mean) and once with the inverse of the shrunken covariance within classes (linear discriminant).

Source: nearest class mean for new classes, Mensink et al. 2013 (doi:10.1109/TPAMI.2013.83);
shrunken covariance, Friedman 1989 (doi:10.1080/01621459.1989.10478752).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.features.rows import Rows
from components.parts.prototypes import text_share

Floats = NDArray[np.float64]
_DIRECTIONS, _SHRINKAGE = 128, 0.3


@dataclass(frozen=True, kw_only=True)
class ViewMetric:
    """One view of the reference records, and both matrices ``A``.

    Attributes:
        rows: ``(n, dim)``.
        has: ``(n,)`` bool.
        basis: orthonormal columns ``(dim, k)``.
        precision: inverse covariance within classes along them ``(k, k)``.
        products: ``x' A y`` of all pairs of records ``(n, n)``, for each ``A``.
        expected: means of all classes ``(classes, dim)`` as their names tell them; exemplars count
            beside these. None: exemplars alone tell them.
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
        """Scores of all records by the view if some of a class are its exemplars, ``(n, 3)``.

        Args:
            shown: numbers of the exemplars.
            own: ``(n,)`` all records of the class.
            number: of the class.
        """
        if self.expected is not None:
            mean = blended(self.expected[number], self.rows, shown[self.has[shown]])
            return self._towards(mean, own)
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

    def _towards(self, mean: Floats, own: NDArray[np.bool_]) -> Floats:
        """The same, from the mean of a class that its name tells."""
        found = np.zeros((len(own), 3))
        centre = mean_of(self.rows, self.has & ~own)
        for column, way in enumerate(self.directions(mean - centre)):
            found[:, column] = self.rows @ way - (mean + centre) @ way / 2
        found[:, 2] = 1.0
        found[~self.has] = 0.0
        return found


def metric_of(rows: Rows, has: NDArray[np.bool_], memberships: NDArray[np.bool_]) -> ViewMetric:
    """A view of the reference records; ``has (n,)`` are those that have it."""
    basis = _basis(rows[np.flatnonzero(has)])
    inside = np.asarray(rows @ basis, dtype=np.float64)
    shrunken = _shrunken(inside, memberships & has[:, None])
    precision: Floats = np.asarray(np.linalg.inv(shrunken), dtype=np.float64)
    plain = rows @ rows.T
    products = plain if isinstance(plain, np.ndarray) else plain.toarray()
    return ViewMetric(
        rows=rows,
        has=has,
        basis=basis,
        precision=precision,
        products=(products, (inside @ precision @ inside.T).astype(np.float32)),
    )


def _basis(rows: Rows) -> NDArray[np.float32]:
    """Directions ``(dim, k)`` of greatest variance of rows."""
    from sklearn.utils.extmath import randomized_svd

    most = min(_DIRECTIONS, *rows.shape)
    centred = rows - rows.mean(axis=0) if isinstance(rows, np.ndarray) else rows
    _, _, directions = randomized_svd(centred, most, n_iter=2, random_state=0)
    return np.ascontiguousarray(directions.T, dtype=np.float32)


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


def blended(told: Floats, rows: Rows, at: NDArray[np.int64]) -> Floats:
    """The mean ``(dim,)`` of a class that its name tells, drawn to that of its exemplars.

    Args:
        told: by the name ``(dim,)``.
        rows: ``(n, dim)``.
        at: which of them are exemplars ``(k,)``.
    """
    share = float(text_share(len(at)))
    return told if share == 1 else share * told + (1 - share) * mean_of(rows, _mask(rows, at))


def _mask(rows: Rows, at: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.isin(np.arange(rows.shape[0]), at)


def mean_of(rows: Rows, at: NDArray[np.bool_]) -> Floats:
    """Mean row ``(dim,)`` of those at ``(n,)``; zeros of none."""
    chosen = np.flatnonzero(at)
    if not len(chosen):
        return np.zeros(rows.shape[1])
    return np.asarray(rows[chosen].mean(axis=0), dtype=np.float64).ravel()
