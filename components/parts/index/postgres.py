"""Search in PostgreSQL with pgvector: one table for an index, shared by all that open it.

Where a filter leaves few records they are all compared; else those in the inverted lists nearest to
the query, in half precision, and the best of them are scored again by the stored float32.

Source: pgvector 0.8 (2024), README, "IVFFlat"; Sivic & Zisserman 2003, "Video Google: a text
retrieval approach to object matching in videos".
"""

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from components.core.errors import UsageError
from components.core.files import read_json, write_json
from components.parts.columns import Attributes, Columns
from components.parts.filters import Declared, Filter, check
from components.parts.index._sql import Table
from components.parts.indexing import Found, best, checked, unknown_id

_POINTER = "postgres.json"
_VARIABLE = "CONCORD_INDEX_URL"

LIBRARIES: tuple[str, ...] = ("psycopg", "sqlalchemy")
"""Distributions that it needs."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Where the table is.

    Attributes:
        variable: environment variable that holds the database's URL (``postgresql://…``), which no
            file of a package does.
    """

    variable: str = _VARIABLE


class PostgresIndex:
    """One table of records.

    Args:
        table: the table.
        variable: environment variable of its URL.
    """

    def __init__(self, table: Table, variable: str) -> None:
        self._table, self._variable = table, variable
        self._columns = Columns(table.declared, _no_rows)

    @property
    def attributes(self) -> Declared:
        """The attributes that a filter may name; see `Index.attributes`."""
        return self._table.declared

    def __len__(self) -> int:
        return self._table.count()

    def upsert(self, ids: Sequence[str], vectors: NDArray[np.float32], attrs: Attributes) -> None:
        """Add records, or replace those whose id exists; see `Index.upsert`."""
        vectors = checked(vectors, (len(ids), self._table.dim))
        if len(set(ids)) != len(ids):
            raise ValueError("an id occurs twice in one call")
        self._columns.check(len(ids), attrs)
        self._table.upsert(ids, vectors, attrs)

    def delete(self, ids: Sequence[str]) -> None:
        """Remove records; ids that do not exist are ignored."""
        self._table.delete(ids)

    def search(
        self,
        vectors: NDArray[np.float32],
        k: int,
        where: Filter | None = None,
        *,
        exact: bool = False,
    ) -> list[Found]:
        """Find the best ``k`` records for each query ``(q, dim)``; see `Index.search`."""
        queries = checked(vectors, (len(vectors), self._table.dim))
        if k < 1:
            raise ValueError(f"got k {k}, wanted at least 1")
        if where is not None:
            check(where, self._table.declared)
        near = self._table.nearest(queries, k, where, exact=exact)
        return [
            best(query, stored, k, partial(_at, ids))
            for query, (ids, stored) in zip(queries, near, strict=True)
        ]

    def vectors_of(self, ids: Sequence[str]) -> NDArray[np.float32]:
        """The vectors ``(n, dim)`` of some records; see `Index.vectors_of`."""
        stored = self._table.vectors_of(ids)
        for record in ids:
            if record not in stored:
                raise unknown_id(record)
        rows = [stored[record] for record in ids]
        return np.array(rows, dtype=np.float32).reshape(len(rows), self._table.dim)

    def save(self, place: Path) -> None:
        """Write which table it is; the records are in the database already."""
        about = {
            "table": self._table.name,
            "dim": self._table.dim,
            "variable": self._variable,
            "attributes": dict(self._table.declared),
        }
        place.mkdir(parents=True, exist_ok=True)
        write_json(place / _POINTER, about)

    def drop(self) -> None:
        """Remove the table."""
        self._table.drop()


def build(config: Config, *, dim: int, attributes: Declared | None = None) -> PostgresIndex:
    """An empty table of its own, for vectors of ``dim`` numbers with the declared attributes.

    Raises:
        UsageError: no URL, no such server, or one without pgvector.
    """
    name = f"concord_index_{secrets.token_hex(8)}"
    table = Table(_url(config.variable), name, dim, attributes or {})
    table.create()
    return PostgresIndex(table, config.variable)


def open(place: Path) -> PostgresIndex:
    """The table that a saved index names.

    Raises:
        UsageError: no URL, no such server, or no such table in it.
    """
    about: Any = read_json(place / _POINTER)
    declared = cast(Declared, about["attributes"])
    table = Table(_url(about["variable"]), about["table"], about["dim"], declared)
    table.find()
    return PostgresIndex(table, about["variable"])


def _url(variable: str) -> str:
    url = os.environ.get(variable, "")
    if not url.startswith(("postgresql://", "postgres://")):
        raise UsageError(
            f"the index family postgres needs the environment variable {variable}:"
            f" got {'none' if not url else 'another kind of address'},"
            " wanted postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
        )
    return url


def _at(ids: Sequence[str], places: NDArray[np.int64]) -> list[str]:
    return [ids[place] for place in places.tolist()]


def _no_rows(ids: Sequence[str]) -> NDArray[np.int64]:
    del ids
    return np.zeros(0, np.int64)
