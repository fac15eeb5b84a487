"""Approximate search in a graph, exact by its answer's scores; a planner chooses how to search.

Candidates come from vectors of one byte a number and are scored again by the stored float32, which
may stay on disk. What a filter leaves is scanned where it is small; else the graph is asked for
more records than wanted, and those that the filter does not allow are dropped. New records wait in
a short list that every search scores exactly, until there are enough to be added to the graph.

Source: Johnson et al. 2019, "Billion-scale similarity search with GPUs"; measured in
``docs/adr/0008-a-graph-with-bytes.md``.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.parts.columns import Attributes, Mask
from components.parts.filters import Declared, Filter
from components.parts.index import _generations as generations
from components.parts.index import _rows_file as rows_file
from components.parts.index._exhaustive import exhaustive, nearest
from components.parts.index._gate import Gate
from components.parts.index._graph import Graph
from components.parts.index._rows import RowNumbers, Rows, Vectors
from components.parts.indexing import Found, checked

_SMALL = 20_000
"""Records below which there is no graph: scoring all takes 2 ms."""
_WAITING = 4_096
"""New records that wait outside the graph."""
_ADDED = 64
"""Records that are added at a time; searches wait meanwhile."""
_STEP = 7
"""Records that are scanned in the time that the graph takes for one candidate more."""
_DEAD = 1 / 4
"""Share of dead nodes at which saving makes the graph anew; changes do at twice that."""

LIBRARIES: tuple[str, ...] = ("faiss-cpu",)
"""Distributions that it needs."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Approximate search has no options: its widths follow from the vectors."""


class ApproximateIndex:
    """A graph over most records, and the others behind it.

    Args:
        rows: all records.
        graph: over the rows up to its last; None where they are few.
    """

    def __init__(self, rows: Rows, graph: Graph | None = None) -> None:
        self._rows, self._graph = rows, graph
        self._covered = 0 if graph is None else len(rows)
        self._gate, self._changing = Gate(), threading.Lock()

    @property
    def attributes(self) -> Declared:
        """The attributes that a filter may name; see `Index.attributes`."""
        return self._rows.columns.declared

    def __len__(self) -> int:
        return self._rows.living

    def upsert(self, ids: Sequence[str], vectors: NDArray[np.float32], attrs: Attributes) -> None:
        """Add records, or replace those whose id exists; see `Index.upsert`."""
        with self._changing:
            vectors = self._rows.checked(ids, vectors, attrs)
            with self._gate.writing():
                self._rows.upsert(ids, vectors, attrs)
            self._tidy()

    def delete(self, ids: Sequence[str]) -> None:
        """Remove records; ids that do not exist are ignored."""
        with self._changing:
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
        queries = checked(vectors, (len(vectors), self._rows.dim))
        with self._gate.reading():
            allowed = self._rows.allowed(where)
            if exact or self._graph is None or k < 1:
                return exhaustive(self._rows, queries, k, allowed)
            plan = _Plan(self._rows, self._graph, self._covered, k, allowed)
            return [plan.search(query) for query in queries]

    def vectors_of(self, ids: Sequence[str]) -> NDArray[np.float32]:
        """The vectors ``(n, dim)`` of some records; see `Index.vectors_of`."""
        with self._gate.reading():
            return self._rows.vectors_of(ids)

    def save(self, place: Path) -> None:
        """Write the index into a folder; changes wait until it is written, searches do not."""
        with self._changing:
            self._build(_DEAD)
            self._merge()
            with generations.next_generation(place) as folder:
                new = np.full(len(self._rows), -1, dtype=np.int64)
                order = rows_file.write(self._rows, folder)
                new[order] = np.arange(len(order))
                if self._graph is not None:
                    self._graph.write(folder, new)

    def _tidy(self) -> None:
        """Keep the graph up with the records; the caller holds the lock of changes."""
        if self._rows.wasteful():
            with self._gate.writing():
                new = self._rows.drop_dead()
                self._covered = int((new[: self._covered] >= 0).sum())
                if self._graph is not None:
                    self._graph.renumber(new)
        self._build(2 * _DEAD)
        if len(self._rows) - self._covered > _WAITING:
            self._merge()

    def _build(self, dead: float) -> None:
        """Make the graph where there is none or where it is mostly dead; searches go on."""
        if self._graph is None:
            wanted = self._rows.living >= _SMALL
        else:
            living = int(self._rows.alive[: self._covered].sum())
            wanted = len(self._graph) - living > dead * len(self._graph)
        if not wanted:
            return
        graph = Graph.built(self._rows) if self._rows.living >= _SMALL else None
        with self._gate.writing():
            self._graph, self._covered = graph, 0 if graph is None else len(self._rows)

    def _merge(self) -> None:
        """Add the waiting records to the graph."""
        while self._graph is not None and self._covered < len(self._rows):
            end = min(self._covered + _ADDED, len(self._rows))
            rows = self._covered + np.flatnonzero(self._rows.alive[self._covered : end])
            with self._gate.writing():
                self._graph.add(rows, self._rows.vectors_at(rows))
                self._covered = end


class _Plan:
    """How the queries of one call are searched.

    Args:
        rows: all records.
        graph: over the rows before ``covered``.
        covered: the first row that waits outside the graph.
        k: records wanted.
        allowed: rows ``(n,)`` that may be found; None for all.
    """

    def __init__(
        self, rows: Rows, graph: Graph, covered: int, k: int, allowed: Mask | None
    ) -> None:
        self._rows, self._graph, self._covered = rows, graph, covered
        self._k, self._allowed = k, allowed
        # Bytes may put near records into another order: more are scored again than wanted.
        self._candidates, self._enough = 2 * k + 16, k + k // 2 + 4
        count = covered if allowed is None else int(np.count_nonzero(allowed[:covered]))
        share = count / max(1, len(graph))
        # The allowed ones need not be spread evenly: more are asked for than should be enough.
        wanted = self._candidates * (2 - share)
        self._asked = len(graph) if share == 0 else int(np.ceil(wanted / share))
        self._count, self._width = count, graph.width(self._asked)

    def search(self, query: Vectors) -> Found:
        """The best records for one query ``(dim,)``."""
        rows = np.concatenate([self._of_graph(query), self._of_waiting(query)])
        return self._rows.best(query, rows, self._k)

    def _of_graph(self, query: Vectors) -> RowNumbers:
        rows = self._walked(query)
        if rows is None:
            return self._graph.scanned(query, self._candidates, self._allowed)
        return rows

    def _walked(self, query: Vectors) -> RowNumbers | None:
        """Allowed rows that the graph leads to; None where a scan is cheaper, or surer."""
        width = self._width
        if width is None or self._count < _STEP * width:
            return None
        rows, score = self._graph.walk(query, self._asked, width)
        wide = self._graph.width(self._asked, far=True)
        if wide and wide > width and self._graph.is_far(query, score):
            if self._count < _STEP * wide:
                return None
            rows, _ = self._graph.walk(query, self._asked, wide)
        if self._allowed is None:
            return rows
        rows = rows[rows >= 0]
        rows = rows[self._allowed[rows]]
        # Where few of those near the query are allowed, the graph cannot say which are next.
        return rows[: self._candidates] if len(rows) >= self._enough else None

    def _of_waiting(self, query: Vectors) -> RowNumbers:
        first = self._covered
        if first == len(self._rows):
            return np.zeros(0, np.int64)
        scores = self._rows.later[first - len(self._rows.base) :] @ query
        if self._allowed is not None:
            scores[~self._allowed[first:]] = -np.inf
        return first + nearest(scores, self._k)


def build(config: Config, *, dim: int, attributes: Declared | None = None) -> ApproximateIndex:
    """An empty index of vectors of ``dim`` numbers with the declared attributes."""
    del config
    return ApproximateIndex(Rows(dim, attributes or {}))


def open(place: Path) -> ApproximateIndex:
    """Read a saved index; its float32 vectors stay on disk."""
    return generations.read_generation(
        place, lambda folder: ApproximateIndex(rows_file.read(folder), Graph.read(folder))
    )
