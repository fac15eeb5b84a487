"""The protocol of indexes: vectors by record id, searched by inner product, filtered by attributes.

A part file in ``index/`` exports a frozen ``Config``, ``build(config, *, dim, attributes)``, which
returns an empty index, and ``open(place)``, which reads a saved one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from components.core.errors import BadInput
from components.parts.columns import Attributes
from components.parts.filters import Declared, Filter

DEFAULT, LARGE = "exact", "approximate"
"""The families that a package gets: that of few records, and that of many."""
_FEW = 50_000
"""Records up to which comparing all of them takes a few milliseconds."""

_AT_A_TIME = 4096


@dataclass(frozen=True, kw_only=True)
class Found:
    """The records that one query found, best first.

    Attributes:
        ids: ``(<= k,)`` record ids.
        scores: ``(<= k,)`` inner products in descending order; equal scores are ordered by id.
    """

    ids: list[str]
    scores: NDArray[np.float32]


class Index(Protocol):
    """A searchable set of vectors; each record id occurs once.

    Several threads may use one index: searches run side by side, and every search sees a change
    either whole or not at all. A record that `upsert` took is found by the next search.
    """

    @property
    def attributes(self) -> Declared:
        """The attributes that a filter may name beside ``id``, with their types."""
        ...

    def __len__(self) -> int:
        """Number of records."""
        ...

    def upsert(self, ids: Sequence[str], vectors: NDArray[np.float32], attrs: Attributes) -> None:
        """Add records, or replace those whose id exists.

        Args:
            ids: distinct record ids ``(n,)``.
            vectors: ``(n, dim)``; the index may keep the array, so the caller must not change it.
            attrs: ``n`` values for each declared attribute.

        Raises:
            ValueError: lengths or dimensions differ, an id occurs twice, a vector has a number that
                is not finite, or the attributes are not the declared ones; nothing is changed.
        """
        ...

    def delete(self, ids: Sequence[str]) -> None:
        """Remove records; ids that do not exist are ignored."""
        ...

    def search(
        self,
        vectors: NDArray[np.float32],
        k: int,
        where: Filter | None = None,
        *,
        exact: bool = False,
    ) -> list[Found]:
        """Find the best ``k`` records for each query; fewer where fewer satisfy ``where``.

        Args:
            vectors: queries ``(q, dim)``.
            k: records wanted, at least 1.
            where: restricts the records before they are scored; all records by default.
            exact: compare every record, however long it takes: a check of the usual search.

        Raises:
            BadInput: an attribute that was not declared, or a condition that its type does not
                know.
            ValueError: queries of another dimension or with a number that is not finite, or no
                ``k``.
        """
        ...

    def vectors_of(self, ids: Sequence[str]) -> NDArray[np.float32]:
        """The vectors ``(n, dim)`` of some records.

        Raises:
            BadInput: an id that does not exist.
        """
        ...

    def save(self, place: Path) -> None:
        """Write the index into a folder, from where ``open`` reads it.

        An index that the folder holds is replaced as a whole: at no moment can half a one be read.
        """
        ...


def usual(records: int) -> str:
    """The family for so many records, where the configuration names none."""
    return DEFAULT if records <= _FEW else LARGE


def checked(vectors: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Vectors as an index takes them.

    Raises:
        ValueError: another shape, or a number that is not finite.
    """
    if vectors.shape != shape:
        raise ValueError(f"got vectors of shape {vectors.shape}, wanted {shape}")
    given = np.asarray(vectors, dtype=np.float32)
    for start in range(0, len(given), _AT_A_TIME):
        if not np.isfinite(given[start : start + _AT_A_TIME]).all():
            raise ValueError("got a vector with a number that is not finite")
    return given


def best(
    query: NDArray[np.float32],
    vectors: NDArray[np.float32],
    k: int,
    ids_of: Callable[[NDArray[np.int64]], list[str]],
) -> Found:
    """The best ``k`` of some records, scored so that every family of indexes gives the same answer.

    Sums are in double precision: a float32 product differs in its last bits between one query and
    several, and the order of near records with it.

    Args:
        query: ``(dim,)``.
        vectors: ``(n, dim)``.
        k: records wanted.
        ids_of: gives the ids at some places ``(m,)`` of the ``n``.
    """
    wide, n = query.astype(np.float64), len(vectors)
    scores = np.empty(n, dtype=np.float32)
    for start in range(0, n, _AT_A_TIME):
        part = slice(start, start + _AT_A_TIME)
        scores[part] = vectors[part].astype(np.float64) @ wide
    # All that tie with the k-th stay in, so that ids and not places decide among them.
    places = np.arange(n)
    if k < n:
        places = np.flatnonzero(scores >= np.partition(scores, n - k)[n - k])
    ranked = sorted(zip((-scores[places]).tolist(), ids_of(places), strict=True))[:k]
    return Found(
        ids=[record for _, record in ranked],
        scores=np.array([-score for score, _ in ranked], dtype=np.float32),
    )


def unknown_id(record: str) -> BadInput:
    """The refusal of an id that does not exist."""
    return BadInput("id", repr(record), "the id of a record of this index")
