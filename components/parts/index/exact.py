"""Exact search: inner product with every vector that passes the filter; oracle of other indexes.

Source: Johnson et al. 2019, "Billion-scale similarity search with GPUs", section 2 (exhaustive
k-selection).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.parts.columns import Attributes
from components.parts.filters import Declared, Filter
from components.parts.index import _generations as generations
from components.parts.index import _rows_file as rows_file
from components.parts.index._exhaustive import exhaustive
from components.parts.index._gate import Gate
from components.parts.index._rows import Rows
from components.parts.indexing import Found, checked

LIBRARIES: tuple[str, ...] = ()
"""Distributions that it needs."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Exact search has no options."""


class ExactIndex:
    """All vectors, in memory or memory-mapped.

    Args:
        rows: its records.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows, self._gate = rows, Gate()

    @property
    def attributes(self) -> Declared:
        """The attributes that a filter may name; see `Index.attributes`."""
        return self._rows.columns.declared

    def __len__(self) -> int:
        return self._rows.living

    def upsert(self, ids: Sequence[str], vectors: NDArray[np.float32], attrs: Attributes) -> None:
        """Add records, or replace those whose id exists; see `Index.upsert`."""
        with self._gate.writing():
            vectors = self._rows.checked(ids, vectors, attrs)
            self._rows.upsert(ids, vectors, attrs)
            self._tidy()

    def delete(self, ids: Sequence[str]) -> None:
        """Remove records; ids that do not exist are ignored."""
        with self._gate.writing():
            self._rows.delete(ids)
            self._tidy()

    def search(
        self,
        vectors: NDArray[np.float32],
        k: int,
        where: Filter | None = None,
        *,
        exact: bool = False,
    ) -> list[Found]:
        """Find the best ``k`` records for each query ``(q, dim)``; see `Index.search`."""
        del exact  # it always is
        queries = checked(vectors, (len(vectors), self._rows.dim))
        with self._gate.reading():
            return exhaustive(self._rows, queries, k, self._rows.allowed(where))

    def vectors_of(self, ids: Sequence[str]) -> NDArray[np.float32]:
        """The vectors ``(n, dim)`` of some records; see `Index.vectors_of`."""
        with self._gate.reading():
            return self._rows.vectors_of(ids)

    def save(self, place: Path) -> None:
        """Write the index into a folder; changes wait until it is written."""
        with self._gate.reading(), generations.next_generation(place) as folder:
            rows_file.write(self._rows, folder)

    def _tidy(self) -> None:
        if self._rows.wasteful():
            self._rows.drop_dead()


def build(config: Config, *, dim: int, attributes: Declared | None = None) -> ExactIndex:
    """An empty index of vectors of ``dim`` numbers with the declared attributes."""
    del config
    return ExactIndex(Rows(dim, attributes or {}))


def open(place: Path) -> ExactIndex:
    """Read a saved index; its vectors are memory-mapped."""
    return ExactIndex(generations.read_generation(place, rows_file.read))
