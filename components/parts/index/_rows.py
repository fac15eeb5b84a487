"""The records of an index in this process: a sorted base, maybe on disk, and what came since.

Rows have numbers. The base is ordered by id, so that an id is found by halving and costs no Python
object; a record that changes gets a new row behind it, and its old row is dead.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from components.parts.columns import Attributes, Columns, Mask, stored
from components.parts.filters import Declared, Filter, check
from components.parts.indexing import Found, best, checked, unknown_id

RowNumbers = NDArray[np.int64]
Vectors = NDArray[np.float32]
_Number = TypeVar("_Number", bound=np.generic)

_FEW = 1024
"""Dead rows behind the base that are always let be."""


class _Texts(Sequence[str]):
    """An arrow array as a sequence of texts."""

    def __init__(self, array: pa.StringArray) -> None:
        self.array = array

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, row: int) -> str:  # type: ignore[override]
        return str(self.array[row])


class Rows:
    """Ids, vectors and attributes by row number.

    Args:
        dim: numbers of a vector.
        declared: the attributes and their types.
    """

    def __init__(self, dim: int, declared: Declared) -> None:
        self.dim = dim
        self.columns = Columns(declared, self.find)
        self.base: Vectors = np.zeros((0, dim), np.float32)
        self._ids = _Texts(pa.nulls(0, pa.string()))
        self._later: Vectors = np.zeros((0, dim), np.float32)
        self._later_ids: list[str] = []
        self._row_of: dict[str, int] = {}
        self._alive = np.zeros(0, dtype=bool)
        self.living = 0

    def __len__(self) -> int:
        """Number of rows, dead ones too."""
        return len(self.base) + len(self._later_ids)

    @property
    def alive(self) -> Mask:
        """Which rows ``(n,)`` are records."""
        return self._alive[: len(self)]

    @property
    def later(self) -> Vectors:
        """The vectors behind the base."""
        return self._later[: len(self._later_ids)]

    def find(self, ids: Sequence[str]) -> RowNumbers:
        """Rows of those ids that exist."""
        rows = (self._find(record) for record in ids)
        return np.fromiter((row for row in rows if row >= 0), dtype=np.int64)

    def _find(self, record: str) -> int:
        row = self._row_of.get(record, -1)
        if row < 0:
            row = bisect_left(self._ids, record)
            if row == len(self._ids) or self._ids[row] != record:
                return -1
        return row if self._alive[row] else -1

    def ids_of(self, rows: RowNumbers) -> list[str]:
        """Ids of some rows."""
        base = len(self.base)
        return [
            self._ids[row] if row < base else self._later_ids[row - base] for row in rows.tolist()
        ]

    def vectors_at(self, rows: RowNumbers) -> Vectors:
        """Vectors of some rows."""
        base = len(self.base)
        if not self._later_ids:
            return self.base[rows]
        found = np.empty((len(rows), self.dim), np.float32)
        early = rows < base
        found[early] = self.base[rows[early]]
        found[~early] = self._later[rows[~early] - base]
        return found

    def best(self, query: Vectors, rows: RowNumbers, k: int) -> Found:
        """The best ``k`` of some rows for a query ``(dim,)``."""
        return best(query, self.vectors_at(rows), k, lambda places: self.ids_of(rows[places]))

    def vectors_of(self, ids: Sequence[str]) -> Vectors:
        """Vectors of some records.

        Raises:
            BadInput: an id that does not exist.
        """
        rows = [self._find(record) for record in ids]
        if -1 in rows:
            raise unknown_id(ids[rows.index(-1)])
        return self.vectors_at(np.array(rows, dtype=np.int64))

    def allowed(self, where: Filter | None) -> Mask | None:
        """Which rows ``(n,)`` a search may find; None for all of them.

        Raises:
            BadInput: a filter that does not suit the attributes.
        """
        if where is None:
            return None if self.living == len(self) else self.alive
        check(where, self.columns.declared)
        return self.columns.mask(where) & self.alive

    def checked(self, ids: Sequence[str], vectors: Vectors, attrs: Attributes) -> Vectors:
        """The vectors of new records, which were checked with everything else.

        Raises:
            ValueError: see `Index.upsert`.
        """
        vectors = checked(vectors, (len(ids), self.dim))
        if len(set(ids)) != len(ids):
            raise ValueError("an id occurs twice in one call")
        "".join(ids).encode()  # an id that cannot be stored is refused now
        self.columns.check(len(ids), attrs)
        return vectors

    def upsert(self, ids: Sequence[str], vectors: Vectors, attrs: Attributes) -> None:
        """Add checked records, or replace those whose id exists; the first ones make the base."""
        if not len(ids):
            return
        if not len(self):
            columns = {n: stored(k, attrs[n]) for n, k in self.columns.declared.items()}
            self.start(pa.array(ids, pa.string()), vectors, columns)
            return
        self.delete(ids)
        first, n = len(self), len(self._later_ids)
        self._later = _room(self._later, n + len(ids))
        self._later[n : n + len(ids)] = vectors
        self._later_ids += ids
        self._row_of |= {record: first + i for i, record in enumerate(ids)}
        self._alive = _room(self._alive, first + len(ids))
        self._alive[first : first + len(ids)] = True
        self.columns.add(len(ids), attrs)
        self.living += len(ids)

    def start(self, ids: pa.StringArray, vectors: Vectors, attrs: Mapping[str, pa.Array]) -> None:
        """Make the base of an empty index from checked records."""
        self.columns.fill(len(ids), attrs)
        # Vectors in order are kept as they are, so that a memory-mapped array is not read.
        if not pc.all(pc.less(ids.slice(0, max(0, len(ids) - 1)), ids.slice(1))).as_py():
            order = pc.sort_indices(ids)
            ids, vectors = ids.take(order), vectors[order.to_numpy()]
            self.columns.keep(order.to_numpy())
        self._ids, self.base = _Texts(ids), vectors
        self._alive = np.ones(len(ids), dtype=bool)
        self.living = len(ids)

    def delete(self, ids: Sequence[str]) -> None:
        """Remove records."""
        rows = self.find(ids)
        self._alive[rows] = False
        self.living -= len(np.unique(rows))
        for record in ids:
            self._row_of.pop(record, None)

    def wasteful(self) -> bool:
        """Whether most rows behind the base are dead."""
        dead = len(self._later_ids) - len(self._row_of)
        return dead > max(_FEW, len(self._row_of))

    def drop_dead(self) -> RowNumbers:
        """Forget the dead rows behind the base; those after them get new numbers.

        Returns:
            The new number of each row ``(n,)``, -1 for those that are gone.
        """
        base, new = len(self.base), np.full(len(self), -1, dtype=np.int64)
        kept = np.flatnonzero(self.alive[base:])
        self.columns.keep(np.concatenate([np.arange(base), base + kept]))
        self._later = self._later[kept]
        self._later_ids = [self._later_ids[row] for row in kept.tolist()]
        self._alive = np.concatenate([self._alive[:base], np.ones(len(kept), dtype=bool)])
        self._row_of = {record: base + i for i, record in enumerate(self._later_ids)}
        new[:base] = np.arange(base)
        new[base + kept] = base + np.arange(len(kept))
        return new

    def in_order(self) -> tuple[RowNumbers, pa.StringArray]:
        """The living rows in the order of their ids, and these."""
        rows = np.flatnonzero(self.alive)
        texts = pa.concat_arrays([self._ids.array, pa.array(self._later_ids, pa.string())])
        texts = texts.take(pa.array(rows))
        order = pc.sort_indices(texts)
        return rows[order.to_numpy()], texts.take(order)


def _room(array: NDArray[_Number], need: int) -> NDArray[_Number]:
    """An array with room for more rows; it doubles, so that many small calls cost little."""
    if need <= len(array):
        return array
    grown = np.zeros((max(need, 2 * len(array)), *array.shape[1:]), array.dtype)
    grown[: len(array)] = array
    return grown
