"""The protocol of indexes: vectors by record id, searched by inner product, filtered by attributes.

A part file in ``index/`` exports a frozen ``Config``, ``build(config, *, dim, attributes)``, which
returns an empty index, and ``open(place)``, which reads a saved one.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

DEFAULT = "exact"
"""The index that a package gets."""

Value = str | Sequence[str] | None
"""A value, or the list of those that a record has; null where it has none."""
Attributes = Mapping[str, Sequence[Value]]
"""Attribute name to one value for each record of a call."""

Where = Mapping[str, Collection[str]]
"""Attribute name to its allowed values; a record must match all attributes; null matches none,
and a list where one of its members is allowed."""


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
    """A searchable set of vectors; each record id occurs once."""

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
            ValueError: lengths or dimensions differ, an id occurs twice, or the attributes are not
                the declared ones.
        """
        ...

    def delete(self, ids: Sequence[str]) -> None:
        """Remove records; ids that do not exist are ignored."""
        ...

    def search(
        self, vectors: NDArray[np.float32], k: int, where: Where | None = None
    ) -> list[Found]:
        """Find the best ``k`` records for each query; fewer where fewer satisfy ``where``.

        Args:
            vectors: queries ``(q, dim)``.
            k: records wanted, at least 1.
            where: restricts the records before they are scored; all records by default.

        Raises:
            ValueError: an attribute that was not declared.
        """
        ...

    def save(self, place: Path) -> None:
        """Write the index into an empty or missing folder, from where ``open`` reads it."""
        ...
