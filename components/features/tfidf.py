"""Weights and a reduction of sparse counts, fitted to training records.

Source: term weighting, Salton & Buckley 1988, in the form of scikit-learn's ``TfidfTransformer``
(smooth, sublinear, unit length); latent semantic analysis, Deerwester et al. 1990, by a randomised
singular value decomposition, Halko et al. 2009 (arXiv:0909.4061).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.features.rows import Rows

_MOST_BUCKETS = 30_000
_MOST_ROWS = 50_000
"""Rows that a reduction is fitted to: more change its directions little and cost time."""
_POWERS = 4
"""Rounds of the decomposition: each brings its directions nearer to the exact ones."""


def idf(counts: Rows) -> NDArray[np.float32]:
    """Weight of each bucket, ``1 + log((1 + n) / (1 + records with it))``.

    Args:
        counts: of the training records, ``(n, buckets)``.

    Returns:
        ``(buckets,)``.
    """
    n, buckets = counts.shape
    records = np.bincount(counts.indices, minlength=buckets)
    weights: NDArray[np.float32] = (1.0 + np.log((1 + n) / (1 + records))).astype(np.float32)
    return weights


def weighted(counts: Rows, idf: NDArray[np.float32]) -> Rows:
    """Rows of unit length, ``(1 + log count) * idf``; a row without counts stays empty.

    Args:
        counts: of any records, ``(n, buckets)``; at least 1 where it is not zero.
        idf: weight of each bucket, ``(buckets,)``.
    """
    values = (1.0 + np.log(counts.data)) * idf[counts.indices]
    owner = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    length = np.sqrt(np.bincount(owner, np.square(values, dtype=np.float64), counts.shape[0]))
    values = (values / length[owner]).astype(np.float32)
    return type(counts)((values, counts.indices, counts.indptr), shape=counts.shape)


@dataclass(frozen=True, kw_only=True)
class Reduction:
    """Sparse rows to few numbers.

    Attributes:
        buckets: the buckets that are read, ``(k,)``, rising.
        components: orthonormal directions ``(dim, k)``, the strongest first.
    """

    buckets: NDArray[np.int64]
    components: NDArray[np.float32]

    def transform(self, rows: Rows) -> NDArray[np.float32]:
        """``(n, buckets)`` to ``(n, dim)``."""
        reduced: NDArray[np.float32] = rows[:, self.buckets] @ self.components.T
        return reduced


def reduction(rows: Rows, dim: int, seed: int = 0) -> Reduction:
    """The directions in which training rows differ most from zero.

    The buckets of the greatest number of records are read, and evenly spaced rows where there are
    very many. Signs are fixed: the entry of a direction that is farthest from zero is positive.

    Args:
        rows: weighted rows ``(n, buckets)`` of training records, in canonical form.
        dim: number of directions; there are fewer if rows or used buckets are.
        seed: of the random start.
    """
    rows = rows[:: max(1, -(-rows.shape[0] // _MOST_ROWS))]
    frequency = np.bincount(rows.indices, minlength=rows.shape[1])
    # A stable order, so that equally frequent buckets are always the same ones.
    order = np.argsort(-frequency, kind="stable")[:_MOST_BUCKETS]
    buckets = np.sort(order[frequency[order] > 0])
    components = _directions(rows[:, buckets], dim, seed)
    if not len(components):
        return Reduction(buckets=buckets, components=components)
    farthest = components[np.arange(len(components)), np.abs(components).argmax(1)]
    return Reduction(buckets=buckets, components=components * np.sign(farthest)[:, None])


def _directions(rows: Rows, dim: int, seed: int) -> NDArray[np.float32]:
    """Right singular vectors ``(at most dim, k)`` of rows ``(n, k)``."""
    from sklearn.utils.extmath import randomized_svd

    if not min(rows.shape):
        return np.zeros((0, rows.shape[1]), np.float32)
    # Its own signs would follow the rows' sides; ours follow the directions alone.
    _, strengths, directions = randomized_svd(
        rows, min(dim, *rows.shape), n_iter=_POWERS, flip_sign=False, random_state=seed
    )
    found: NDArray[np.float32] = directions[strengths > 1e-5 * strengths[0]].astype(np.float32)
    return found
