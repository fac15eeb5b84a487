"""Exact search: inner product with every vector. The oracle of every other index.

Source: brute force, the ground truth that approximate indexes are measured against in Johnson et
al. 2017 (arXiv:1702.08734); filters apply before scoring.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_CHUNK_CELLS = 8_000_000  # scores held at a time: 32 MB


@dataclass(frozen=True, kw_only=True)
class Config:
    """Exact search has nothing to choose."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What one query found, best first.

    Attributes:
        rows: ``(<= k,)`` row numbers.
        scores: ``(<= k,)`` inner products, never rising; equal scores are ordered by id.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]


class ExactIndex:
    """Unit vectors of records.

    Args:
        ids: record ids.
        vectors: ``(n, dim)`` unit vectors, in memory or memory-mapped.
        present: ``(n,)`` which rows have a vector; the others are never found.
    """

    def __init__(
        self, ids: Sequence[str], vectors: NDArray[np.float32], present: NDArray[np.bool_]
    ) -> None:
        assert len(ids) == len(vectors) == len(present), (len(ids), len(vectors), len(present))
        self._vectors, self._present = vectors, np.asarray(present, dtype=bool)
        self._id_order = np.empty(len(ids), dtype=np.int64)
        self._id_order[np.argsort(np.asarray(ids, dtype=object).astype(str), kind="stable")] = (
            np.arange(len(ids))
        )

    def __len__(self) -> int:
        return int(self._present.sum())

    def search(
        self, queries: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None = None
    ) -> list[Found]:
        """The best ``k`` rows for each query ``(q, dim)``; fewer where fewer are allowed.

        Args:
            queries: unit vectors.
            k: rows wanted, at least 1.
            allowed: ``(n,)`` rows that may be found; applied before scoring.
        """
        usable = self._present if allowed is None else self._present & allowed
        rows = np.flatnonzero(usable)
        vectors = self._vectors if len(rows) == len(usable) else self._vectors[rows]
        step = max(1, _CHUNK_CELLS // max(1, len(rows)))
        found: list[Found] = []
        for start in range(0, len(queries), step):
            scores = (
                np.asarray(queries[start : start + step], dtype=np.float32) @ np.asarray(vectors).T
            )
            found += [self._best(row, rows, k) for row in scores]
        return found

    def _best(self, scores: NDArray[np.float32], rows: NDArray[np.int64], k: int) -> Found:
        if k < len(scores):
            # All rows that tie with the k-th stay in, so that ids decide among them.
            threshold = np.partition(scores, len(scores) - k)[len(scores) - k]
            near = np.flatnonzero(scores >= threshold)
        else:
            near = np.arange(len(scores))
        best = near[np.lexsort((self._id_order[rows[near]], -scores[near]))[:k]]
        return Found(rows=rows[best], scores=scores[best])


def build(
    config: Config,
    *,
    ids: Sequence[str],
    vectors: NDArray[np.float32],
    present: NDArray[np.bool_] | None = None,
) -> ExactIndex:
    """An index over records; all rows count where ``present`` is not given."""
    del config
    return ExactIndex(ids, vectors, np.ones(len(ids), dtype=bool) if present is None else present)
