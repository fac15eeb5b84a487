"""A graph of near neighbours over vectors of one byte a number, and what it knows of itself.

How wide a search must be follows from the stored vectors: the graph is asked for the neighbours of
a sample of them, whose true ones are counted. Where no width finds them (vectors without
structure), the bytes of all allowed vectors are scanned instead.

Source: Malkov & Yashunin 2020, "Efficient and robust approximate nearest neighbor search using
Hierarchical Navigable Small World graphs"; faiss `IndexHNSWSQ`.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.core.errors import UserError
from components.core.files import read_json, write_json
from components.parts.columns import Mask
from components.parts.index._rows import RowNumbers, Rows, Vectors

_GRAPH, _NODES, _ABOUT = "graph.faiss", "nodes.npy", "graph.json"
_LINKS = 16
"""Links of a node to each side (M); 32 would take 130 bytes more for each vector."""
_BUILDING = 200
"""Width of the search that finds a new node's neighbours (efConstruction)."""
_TRAINED = 50_000
"""Vectors that say which range of numbers a byte covers."""
_AT_A_TIME = 32_768
_ASKED, _NEIGHBOURS = 400, 10
"""Stored vectors that are asked for their neighbours, and how many of these are counted."""
_RECALL, _ROUNDING = 0.9995, 1e-5
_WIDTHS = (32, 48, 64, 96, 128, 192, 256, 384, 512)
_MARGIN = 1.5
"""A new query is harder than a stored vector, which the graph was built around."""
_FAR = 0.01
"""A query further from its nearest record than this share of the stored ones is from theirs is of
another kind (a text among pictures), and is searched `_WIDER` times as widely."""
_WIDER = 12


@dataclass(frozen=True, kw_only=True)
class Widths:
    """How a graph is searched.

    Attributes:
        usual: candidates kept while searching; None where the graph does not find neighbours.
        near: cosine with the nearest record below which a query is of another kind.
    """

    usual: int | None
    near: float


class Graph:
    """Nodes, each the vector of a row.

    Args:
        index: the faiss index.
        rows: row number of each node; -1 where the row is gone.
        widths: how it is searched.
    """

    def __init__(self, index: Any, rows: NDArray[np.int32], widths: Widths) -> None:  # noqa: ANN401
        self._index, self.rows, self.widths = index, rows, widths

    def __len__(self) -> int:
        """Number of nodes, dead ones too."""
        return len(self.rows)

    @classmethod
    def built(cls, rows: Rows) -> "Graph":
        """A graph of all living rows."""
        faiss = _faiss(os.cpu_count() or 1)
        numbers = np.flatnonzero(rows.alive)
        index = faiss.IndexHNSWSQ(
            rows.dim, faiss.ScalarQuantizer.QT_8bit, _LINKS, faiss.METRIC_INNER_PRODUCT
        )
        index.hnsw.efConstruction = _BUILDING
        drawn = np.random.default_rng(0)
        index.train(rows.vectors_at(_drawn(drawn, numbers, _TRAINED)))
        for start in range(0, len(numbers), _AT_A_TIME):
            index.add(rows.vectors_at(numbers[start : start + _AT_A_TIME]))
        graph = cls(index, numbers.astype(np.int32), Widths(usual=None, near=-np.inf))
        graph.widths = _widths(graph, rows, _drawn(drawn, numbers, _ASKED))
        return graph

    def add(self, rows: RowNumbers, vectors: Vectors) -> None:
        """Add the vectors of more rows."""
        _faiss()
        self._index.add(np.ascontiguousarray(vectors))
        self.rows = np.concatenate([self.rows, rows.astype(np.int32)])

    def walk(self, query: Vectors, count: int, width: int) -> tuple[RowNumbers, float]:
        """Rows near a query ``(dim,)``, dead ones as -1, and the best score.

        Args:
            query: the query.
            count: rows wanted.
            width: candidates kept while searching.
        """
        chosen = _faiss().SearchParametersHNSW(efSearch=max(width, count))
        scores, nodes = self._index.search(query[None], min(count, len(self)), params=chosen)
        found = nodes[0][nodes[0] >= 0]
        return self.rows[found].astype(np.int64), float(scores[0, 0])

    def width(self, count: int, *, far: bool = False) -> int | None:
        """Candidates to keep for this many rows; None where the graph does not find neighbours.

        Args:
            count: rows wanted.
            far: the query is of another kind than the records.
        """
        usual = self.widths.usual
        return None if usual is None else max(usual * (_WIDER if far else 1), 2 * count)

    def is_far(self, query: Vectors, score: float) -> bool:
        """Whether a query with this best score is of another kind than the records."""
        return score < self.widths.near * float(np.linalg.norm(query))

    def scanned(self, query: Vectors, count: int, allowed: Mask | None) -> RowNumbers:
        """The best rows among the allowed ones ``(rows,)``, each compared by its bytes."""
        faiss, chosen = _faiss(), None
        if allowed is not None:
            mask = allowed[self.rows] & (self.rows >= 0)
            bits = np.packbits(mask, bitorder="little")
            chosen = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(bits))
        _, nodes = self._index.storage.search(query[None], min(count, len(self)), params=chosen)
        found: NDArray[np.int64] = nodes[0][nodes[0] >= 0]
        return self.rows[found].astype(np.int64)

    def renumber(self, new: NDArray[np.int64]) -> None:
        """Give the rows new numbers ``new (old rows,)``, -1 for those that are gone."""
        self.rows = np.where(self.rows < 0, -1, new[self.rows]).astype(np.int32)

    def write(self, place: Path, new: NDArray[np.int64]) -> None:
        """Write the graph, its rows with new numbers."""
        _faiss().write_index(self._index, str(place / _GRAPH))
        np.save(place / _NODES, np.where(self.rows < 0, -1, new[self.rows]).astype(np.int32))
        write_json(place / _ABOUT, vars(self.widths))

    @classmethod
    def read(cls, place: Path) -> "Graph | None":
        """Read a graph, if there is one."""
        if not (place / _GRAPH).is_file():
            return None
        about: Any = read_json(place / _ABOUT)
        return cls(
            _faiss().read_index(str(place / _GRAPH)), np.load(place / _NODES), Widths(**about)
        )


def _faiss(threads: int = 1) -> Any:  # noqa: ANN401
    """The library, with the threads that one call from this thread may use.

    A search uses one: the cores are shared by searches, and not by parts of one.

    Raises:
        UserError: it is not installed.
    """
    try:
        import faiss
    except ImportError as error:
        raise UserError(
            "the index 'approximate' needs the library faiss-cpu, which is not installed: "
            "pip install 'concord[serve]', or build the image with LOCK=serve"
        ) from error
    faiss.omp_set_num_threads(threads)
    return faiss


def _drawn(rng: np.random.Generator, numbers: RowNumbers, count: int) -> RowNumbers:
    if len(numbers) <= count:
        return numbers
    return np.sort(rng.choice(numbers, count, replace=False))


def _widths(graph: Graph, rows: Rows, asked: RowNumbers) -> Widths:
    """The smallest width that finds the true neighbours of a sample, with a margin."""
    queries = rows.vectors_at(asked)
    scores, wanted = _true(rows, queries, asked)
    norms = np.maximum(np.linalg.norm(queries, axis=1), np.finfo(np.float32).tiny)
    near = float(np.quantile(scores[:, 0] / norms, _FAR))
    count = 2 * _NEIGHBOURS + 1
    for width in _WIDTHS:
        hits = 0
        for query, row, last in zip(queries, asked, scores[:, -1], strict=True):
            found, _ = graph.walk(query, count, width)
            found = found[found != row]
            again = np.sort(rows.vectors_at(found) @ query)[::-1][:_NEIGHBOURS]
            # Scores and not rows are compared: equal vectors are as good as each other.
            hits += int((again >= last - _ROUNDING).sum())
        if hits >= _RECALL * wanted:
            return Widths(usual=round(_MARGIN * width), near=near)
    return Widths(usual=None, near=near)


def _true(rows: Rows, queries: Vectors, own: RowNumbers) -> tuple[NDArray[np.float32], int]:
    """Scores ``(q, neighbours)`` of the true neighbours, best first, and their number."""
    best = np.zeros((len(queries), 0), np.float32)
    for start in range(0, len(rows), _AT_A_TIME):
        part = np.arange(start, min(start + _AT_A_TIME, len(rows)))
        scores = queries @ rows.vectors_at(part).T
        scores[:, ~rows.alive[part]] = -np.inf
        inside = (own >= start) & (own < start + len(part))
        scores[np.flatnonzero(inside), own[inside] - start] = -np.inf
        best = np.sort(np.hstack([best, _largest(scores)]), axis=1)[:, ::-1][:, :_NEIGHBOURS]
    return best, best.size


def _largest(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    cut = scores.shape[1] - _NEIGHBOURS
    return scores if cut <= 0 else np.partition(scores, cut, axis=1)[:, cut:]
