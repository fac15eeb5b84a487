"""How far a record is from the training records that a model keeps.

Each view measures the mean distance to the nearest of them, as light heads read it. What is a long
distance is told by the kept records themselves, each measured against the others. The distances of
a record's views are averaged as normal scores, and the score is the share of kept records with
these views whose own average is smaller.

Source: deep nearest neighbours, Sun et al. 2022 (arXiv:2204.06507); conformal p-values, Bates et
al. 2023 (doi:10.1214/22-AOS2244).
"""

from collections.abc import Mapping
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from components.features.rows import Rows
from components.model.reference import Reference

if TYPE_CHECKING:
    from components.model.network import Model
    from components.model.runtime import Runtime

Floats = NDArray[np.float64]
DISTANCES = "distances.safetensors"
"""File of a package: view name to the distances ``(k,)`` of kept records from each other."""
NEAREST = 5
"""Neighbours whose distance counts; fewer where few records are kept."""
_AT_ONCE = 256
"""Rows that are compared at once: all kept records with each other would take 100 MB."""
_NORMAL = NormalDist()


class _View:
    """Kept records, ``rows (n, dim)``, which are not copied, and the ``k`` of them with a view.

    Attributes:
        own: distance of each to its nearest among the others, ``(k,)``.
    """

    def __init__(self, rows: Rows, has: NDArray[np.bool_], own: Floats | None) -> None:
        self._rows, self._count = rows, min(NEAREST, int(has.sum()) - 1)
        self._squares = np.where(has, _squares(rows), np.inf)  # who lacks the view is never near
        self.own = self.distance(rows, own=True)[has] if own is None else own

    def distance(self, asked: Rows, *, own: bool = False) -> Floats:
        """Mean distance ``(n,)`` of rows ``(n, dim)`` to the nearest; ``own``: not to itself."""
        found = [np.zeros(0)]
        for start in range(0, asked.shape[0], _AT_ONCE):
            found.append(self._nearest(asked[start : start + _AT_ONCE], start if own else None))
        return np.concatenate(found)

    def _nearest(self, asked: Rows, start: int | None) -> Floats:
        """The same of a few rows, which are kept ones from ``start`` on, if they are any."""
        products = asked @ self._rows.T
        dense = products if isinstance(products, np.ndarray) else products.toarray()
        squares = _squares(asked)[:, None] + self._squares - 2.0 * dense.astype(np.float64)
        if start is not None:
            at = np.arange(len(squares))
            squares[at, start + at] = np.inf
        nearest = np.partition(squares, self._count - 1, axis=1)[:, : self._count]
        return np.asarray(np.sqrt(np.maximum(nearest, 0.0)).mean(axis=1), dtype=np.float64)

    def normal(self, distances: Floats) -> Floats:
        """Distances as normal scores among those of the kept records."""
        shares = _share(distances, self.own).tolist()
        return np.array([_NORMAL.inv_cdf(share) for share in shares], dtype=np.float64)


class Familiarity:
    """Scores records by the training records that a model keeps.

    Args:
        reference: these records.
        columns: view name to the column of its modality.
        own: view name to the distances of these records from each other, which take a second to
            measure; see `write_distances`.
    """

    def __init__(
        self,
        reference: Reference,
        columns: Mapping[str, int],
        own: Mapping[str, Floats] | None = None,
    ) -> None:
        has = {v: reference.present[:, columns[v]] for v in reference.views}
        self._columns = {v: columns[v] for v in sorted(has) if has[v].sum() > 2}
        self._views: dict[str, _View] = {}
        self._own = np.full((len(reference), len(self._columns)), np.nan)
        for place, view in enumerate(self._columns):
            made = _View(reference.views[view], has[view], (own or {}).get(view))
            self._views[view] = made
            self._own[has[view], place] = made.normal(made.own)

    @property
    def own(self) -> dict[str, Floats]:
        """View name to the distances ``(k,)`` of its kept records from each other."""
        return {view: made.own for view, made in self._views.items()}

    def scores(self, rows: Mapping[str, Rows], present: NDArray[np.bool_]) -> Floats:
        """How unfamiliar records are ``(n,)``, from 0 to 1; NaN without a view that is known.

        .99 means farther than 99 of 100 training records, judged by the views that it has.

        Args:
            rows: view name to ``(n, dim)``, see ``light_rows``.
            present: ``(n, modalities)``.
        """
        normal = np.full((len(present), len(self._columns)), np.nan)
        for place, (view, column) in enumerate(self._columns.items()):
            at = np.flatnonzero(present[:, column])
            if len(at):
                made = self._views[view]
                normal[at, place] = made.normal(made.distance(rows[view][at]))
        found = np.full(len(present), np.nan)
        patterns, which = np.unique(~np.isnan(normal), axis=0, return_inverse=True)
        for number, pattern in enumerate(patterns):
            if pattern.any():
                at = np.flatnonzero(which.ravel() == number)
                own = self._own[:, pattern].mean(axis=1)
                found[at] = _share(normal[at][:, pattern].mean(axis=1), own[~np.isnan(own)])
        return found


def familiarity(model: "Model | Runtime", package: Path) -> Familiarity | None:
    """What scores records for a model; None where it keeps none.

    Args:
        model: as it was loaded.
        package: its folder, where it may have written how far its records are from each other.
    """
    if model.reference is None:
        return None
    file = package / DISTANCES
    return Familiarity(model.reference, model.columns, load_file(file) if file.is_file() else None)


def write_distances(columns: Mapping[str, int], folder: Path) -> None:
    """Write how far the records that a saved model keeps are from each other.

    Args:
        columns: view name to the column of its modality.
        folder: of the model.
    """
    (folder / DISTANCES).unlink(missing_ok=True)
    reference = Reference.load(folder)  # as whoever answers reads it: its numbers were halved
    if reference is not None:
        save_file(Familiarity(reference, columns).own, folder / DISTANCES)


def _share(asked: Floats, own: Floats) -> Floats:
    """Share ``(n,)`` of ``own (k,)`` below each number, never 0 or 1: ``(below + .5) / (k + 1)``.

    >>> _share(np.array([2.5, 9.0]), np.array([1.0, 2.0, 3.0])).tolist()
    [0.625, 0.875]
    """
    below = np.searchsorted(np.sort(own), asked, side="left")
    return np.asarray((below + 0.5) / (len(own) + 1), dtype=np.float64)


def _squares(rows: Rows) -> Floats:
    """Squared length ``(n,)`` of rows."""
    squared = rows * rows if isinstance(rows, np.ndarray) else rows.multiply(rows)
    return np.asarray(squared.sum(axis=1), dtype=np.float64).ravel()
