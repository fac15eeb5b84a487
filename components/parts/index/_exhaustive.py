"""Search of every allowed row, without a copy of the vectors."""

import numpy as np
from numpy.typing import NDArray

from components.parts.columns import Mask
from components.parts.index._rows import RowNumbers, Rows, Vectors
from components.parts.indexing import Found

_MAX_SCORES = 8_000_000
"""Scores held at a time: 32 MB."""
_GATHERED = 4096
"""Rows that are copied at a time where few are allowed: a few MB, which stay in the cache."""
_FEW = 1 / 8
"""Below this share of allowed rows, copying them is faster than scoring all."""
_ROUNDING = 1e-5
"""Scores that are closer than this are compared in double precision."""


def exhaustive(rows: Rows, queries: Vectors, k: int, allowed: Mask | None) -> list[Found]:
    """The best ``k`` of the allowed rows for each query ``(q, dim)``.

    Raises:
        ValueError: ``k`` below 1.
    """
    if k < 1:
        raise ValueError(f"got k {k}, wanted at least 1")
    if allowed is not None and np.count_nonzero(allowed) < _FEW * len(rows):
        some: RowNumbers | None = np.flatnonzero(allowed)
        assert some is not None
        count = len(some)
    else:
        some, count = None, len(rows)
    step = max(1, _MAX_SCORES // max(1, count))
    found: list[Found] = []
    for start in range(0, len(queries), step):
        part = queries[start : start + step]
        if some is not None:
            scores = _of_some(rows, part, some)
        else:
            scores = _of_all(rows, part)
            if allowed is not None:
                scores[:, ~allowed] = -np.inf
        for query, row in zip(part, scores, strict=True):
            near = nearest(row, k)
            found.append(rows.best(query, near if some is None else some[near], k))
    return found


def _of_all(rows: Rows, queries: Vectors) -> NDArray[np.float32]:
    scores = np.empty((len(queries), len(rows)), np.float32)
    base = len(rows.base)
    # One query alone is a product of matrix and vector, which BLAS does in half the time.
    for block, out in ((rows.base, scores[:, :base]), (rows.later, scores[:, base:])):
        if len(queries) == 1:
            np.dot(block, queries[0], out=out[0])
        elif len(block):
            out[:] = queries @ block.T
    return scores


def _of_some(rows: Rows, queries: Vectors, some: RowNumbers) -> NDArray[np.float32]:
    scores = np.empty((len(queries), len(some)), np.float32)
    for start in range(0, len(some), _GATHERED):
        part = slice(start, start + _GATHERED)
        scores[:, part] = queries @ rows.vectors_at(some[part]).T
    return scores


def nearest(scores: NDArray[np.float32], k: int) -> RowNumbers:
    """Places of the best ``k`` scores ``(n,)``, and of those as good but for rounding."""
    if k < len(scores):
        threshold = np.partition(scores, len(scores) - k)[len(scores) - k]
        if np.isfinite(threshold):
            slack = _ROUNDING * max(1.0, abs(float(threshold)))
            return np.flatnonzero(scores >= threshold - slack)
    return np.flatnonzero(np.isfinite(scores))
