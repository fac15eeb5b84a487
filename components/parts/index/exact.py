"""Exact search: inner product with every vector that passes the filter; oracle of other indexes.

Source: Johnson et al. 2019, "Billion-scale similarity search with GPUs", section 2 (exhaustive
k-selection).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.parts.indexing import Attributes, Found, Value, Where

_ID = "id"
_ROWS, _VECTORS = "rows.parquet", "vectors.npy"
_MAX_SCORES = 8_000_000  # scores held at a time: 32 MB


@dataclass(frozen=True, kw_only=True)
class Config:
    """Exact search has no options."""


class ExactIndex:
    """All vectors in one array.

    Args:
        vectors: ``(n, dim)`` float32, in memory or memory-mapped.
        ids: distinct record ids ``(n,)``.
        attributes: name of each declared attribute to its ``n`` values.
    """

    def __init__(
        self, vectors: NDArray[np.float32], ids: Sequence[str], attributes: Attributes
    ) -> None:
        self._vectors, self._ids = vectors, list(ids)
        self._attributes = {name: list(values) for name, values in attributes.items()}

    def __len__(self) -> int:
        return len(self._ids)

    def upsert(self, ids: Sequence[str], vectors: NDArray[np.float32], attrs: Attributes) -> None:
        """Add records, or replace those whose id exists; see `Index.upsert`."""
        if sorted(attrs) != sorted(self._attributes):
            raise ValueError(
                f"got the attributes {sorted(attrs)}, wanted {sorted(self._attributes)}"
            )
        if vectors.shape != (len(ids), self._vectors.shape[1]):
            wanted = (len(ids), self._vectors.shape[1])
            raise ValueError(f"got vectors of shape {vectors.shape}, wanted {wanted}")
        if len(set(ids)) != len(ids):
            raise ValueError("an id occurs twice in one call")
        if wrong := [name for name, values in attrs.items() if len(values) != len(ids)]:
            raise ValueError(f"attributes {wrong}: wanted one value for each of {len(ids)} records")
        self.delete(ids)
        # The first vectors are kept as they are, so that a memory-mapped array is not read.
        self._vectors = np.concatenate([self._vectors, vectors]) if len(self) else vectors
        self._ids += ids
        for name, values in attrs.items():
            self._attributes[name] += values

    def delete(self, ids: Sequence[str]) -> None:
        """Remove records; ids that do not exist are ignored."""
        kept = ~_among(self._ids, ids)
        if kept.all():
            return
        self._vectors = self._vectors[kept]
        self._ids = list(compress(self._ids, kept))
        self._attributes = {n: list(compress(v, kept)) for n, v in self._attributes.items()}

    def search(
        self, vectors: NDArray[np.float32], k: int, where: Where | None = None
    ) -> list[Found]:
        """Find the best ``k`` records for each query ``(q, dim)``; see `Index.search`."""
        rows = self._allowed(where)
        stored = np.asarray(self._vectors if rows is None else self._vectors[rows])
        step = max(1, _MAX_SCORES // max(1, len(stored)))
        found: list[Found] = []
        for start in range(0, len(vectors), step):
            scores = np.asarray(vectors[start : start + step], dtype=np.float32) @ stored.T
            found += [self._best(row, rows, k) for row in scores]
        return found

    def save(self, place: Path) -> None:
        """Write ``vectors.npy`` and ``rows.parquet`` into a folder."""
        place.mkdir(parents=True, exist_ok=True)
        np.save(place / _VECTORS, self._vectors)
        columns: dict[str, Sequence[Value]] = {_ID: self._ids, **self._attributes}
        arrays = [_stored(values) for values in columns.values()]
        pq.write_table(pa.table(arrays, names=list(columns)), place / _ROWS)

    def _allowed(self, where: Where | None) -> NDArray[np.int64] | None:
        """Row numbers that satisfy a filter; None for all of them, so that nothing is copied."""
        if where is None:
            return None
        if unknown := sorted(set(where) - set(self._attributes)):
            raise ValueError(f"got a filter on {unknown}, wanted one on {sorted(self._attributes)}")
        kept = np.ones(len(self), dtype=bool)
        for name, values in where.items():
            kept &= _among(self._attributes[name], values)
        return None if kept.all() else np.flatnonzero(kept)

    def _best(self, scores: NDArray[np.float32], rows: NDArray[np.int64] | None, k: int) -> Found:
        """The best ``k`` of scores ``(m,)``, which belong to ``rows`` ``(m,)`` or to all rows."""
        if k < len(scores):
            # All rows that tie with the k-th stay in, so that ids and not places decide among them.
            threshold = np.partition(scores, len(scores) - k)[len(scores) - k]
            near = np.flatnonzero(scores >= threshold)
        else:
            near = np.arange(len(scores))
        ids = [self._ids[row] for row in (near if rows is None else rows[near]).tolist()]
        ranked = sorted(zip((-scores[near]).tolist(), ids, strict=True))[:k]
        return Found(
            ids=[record for _, record in ranked],
            scores=np.array([-score for score, _ in ranked], dtype=np.float32),
        )


def build(config: Config, *, dim: int, attributes: Sequence[str] = ()) -> ExactIndex:
    """An empty index of vectors of ``dim`` numbers with the declared attributes."""
    del config
    return ExactIndex(np.zeros((0, dim), dtype=np.float32), [], {name: [] for name in attributes})


def open(place: Path) -> ExactIndex:
    """Read a saved index; its vectors are memory-mapped."""
    # `read_table` would import pandas, where it is installed.
    rows = pq.ParquetFile(place / _ROWS).read().to_pydict()
    return ExactIndex(np.load(place / _VECTORS, mmap_mode="r"), rows.pop(_ID), rows)


def _stored(values: Sequence[Value]) -> pa.Array:
    """An attribute as texts, or as lists of texts where a record may have several values."""
    several = any(isinstance(value, list) for value in values)
    return pa.array(values, pa.list_(pa.string()) if several else pa.string())


def _among(values: Sequence[Value], wanted: Collection[str]) -> NDArray[np.bool_]:
    """Which of ``n`` values are, or hold, one of the wanted ones; null does not."""
    chosen = frozenset(wanted)
    found = (
        not chosen.isdisjoint(value) if isinstance(value, list) else value in chosen
        for value in values
    )
    return np.fromiter(found, dtype=bool, count=len(values))
