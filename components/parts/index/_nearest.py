"""How a table in PostgreSQL is searched: by its lists, or all that a filter leaves.

A search looks through the lists that lie nearest to the query, and orders what it finds there by
half-precision vectors. Where few records are allowed, comparing all of them costs less.
"""

from collections.abc import Sequence
from math import sqrt
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from components.parts.filters import Filter
from components.parts.index._explain import expected_rows
from components.parts.index._lists import LISTED, Lists
from components.parts.index._pgvector import Half, Vector, read
from components.parts.index._where import Where

_PROBED, _PROBED_FILTERED = 64, 96
"""Lists that a search looks through (``ivfflat.probes``): without and with a filter."""
_STEP = 8
"""Records that are compared in the time in which a search of lists finds an allowed one."""
_SPARE, _MORE = 16, 16
"""Candidates beside twice those that are wanted, and how many times as many where it is not clear
which of them are the nearest."""
_ROUNDED = 2.0**-8
"""Difference of two scores that rounding to halves may hide, as a part of the length of the vector
of products whose sum is the score: some five standard deviations."""

Vectors = NDArray[np.float32]
Near = tuple[list[str], Vectors]
"""Ids ``(n,)`` and vectors ``(n, dim)`` of some records."""


class Nearest:
    """Searches one table.

    Args:
        table: with the columns ``id`` and ``v``.
        where: its filters.
        lists: its lists.
        dim: numbers of a vector.

    """

    def __init__(self, table: sa.Table, where: Where, lists: Lists, dim: int) -> None:
        self._table, self._where, self._lists, self._dim = table, where, lists, dim
        self._size, self._written = 0, 1

    def wrote(self, records: int) -> None:
        """Take note of records that were written, or replaced."""
        self._written += records

    def of(
        self,
        connection: sa.Connection,
        queries: Vectors,
        k: int,
        where: Filter | None,
        *,
        exact: bool,
    ) -> list[Near]:
        """Records among which are the ``k`` nearest to each query ``(q, dim)``.

        Args:
            connection: on which it is asked.
            queries: ``(q, dim)``.
            k: records wanted.
            where: which may be found.
            exact: compare all of them, and not those in the lists near the query.
        """
        count = 2 * k + _SPARE
        listed = not exact and self._by_lists(connection, count, where)
        found = []
        for query in queries:
            near = self._clear(connection, query, k, where) if listed else None
            found.append(near or self._compared(connection, query, count, where))
        return found

    def _by_lists(self, connection: sa.Connection, count: int, where: Filter | None) -> bool:
        """Whether to look through lists: one record in so many that they hold is allowed."""
        if self._written > self._size // 10:  # about how many suffices
            self._size, self._written = self.count(connection), 0
        few = int(sqrt(_STEP * count * self._size))
        if self._size < max(few, LISTED) or not self._lists.ready(connection):
            return False
        # To count them would cost as much as to compare them. Where fewer are there than the
        # planner expects, the lists hold too few, and all are compared after all.
        return where is None or expected_rows(connection, self._those(where)) > few

    def _clear(
        self, connection: sa.Connection, query: Vectors, k: int, where: Filter | None
    ) -> Near | None:
        """What the lists hold; None where that is too little, or too alike to be ordered."""
        for count in (2 * k + _SPARE, _MORE * (2 * k + _SPARE)):
            near = self._in_lists(connection, query, count, where)
            if len(near[0]) < count:
                return None
            if _is_clear(query, near[1], k):
                return near
        return None

    def _in_lists(
        self, connection: sa.Connection, query: Vectors, count: int, where: Filter | None
    ) -> Near:
        """The nearest by half precision in the lists nearest to a query."""
        given, half = sa.literal(query, Vector(self._dim)), Half(self._dim)
        stored = self._table.c.v
        order = sa.cast(stored, half).op("<#>")(sa.cast(given, half))
        found = sa.select(self._table.c.id, sa.func.vector_send(stored)).order_by(order)
        wanted = {
            "ivfflat.probes": str(_PROBED if where is None else _PROBED_FILTERED),
            "enable_sort": "off",  # the lists, and not all allowed records in order
        }
        chosen = (sa.func.set_config(name, value, True) for name, value in wanted.items())
        connection.execute(sa.select(*chosen))
        return self._near(connection.execute(self._allowed(found, where).limit(count)).all())

    def _compared(
        self, connection: sa.Connection, query: Vectors, count: int, where: Filter | None
    ) -> Near:
        """The nearest of all allowed records; only their vectors are fetched."""
        table = self._table.c
        # Equal scores are ordered by id, so that those that are cut off are the last ones.
        given = sa.literal(query, Vector(self._dim))
        distance: sa.ColumnElement[float] = table.v.op("<#>", return_type=sa.Double())(given)
        best = self._allowed(sa.select(table.id, distance.label("d")), where)
        best = best.order_by(sa.text("d"), table.id).limit(count)
        near = best.cte("near").prefix_with("MATERIALIZED", dialect="postgresql")
        found = sa.select(table.id, sa.func.vector_send(table.v)).join(near, near.c.id == table.id)
        return self._near(connection.execute(found).all())

    def _near(self, rows: Sequence[Any]) -> Near:
        vectors = [read(row[1]) for row in rows]
        return [row[0] for row in rows], np.array(vectors, np.float32).reshape(-1, self._dim)

    def count(self, connection: sa.Connection) -> int:
        """Number of records."""
        statement = sa.select(sa.func.count()).select_from(self._table)
        return int(connection.execute(statement).scalar_one())

    def _those(self, where: Filter) -> sa.Select[Any]:
        return self._allowed(sa.select(sa.literal(1)).select_from(self._table), where)

    def _allowed(self, statement: sa.Select[Any], where: Filter | None) -> sa.Select[Any]:
        return statement if where is None else statement.where(self._where.satisfies(where))


def _is_clear(query: Vectors, vectors: Vectors, k: int) -> bool:
    """Whether rounding to halves cannot have left out one of the ``k`` nearest.

    Args:
        query: ``(dim,)``.
        vectors: of the candidates ``(n, dim)``, more than ``k``.
        k: records wanted.
    """
    products = vectors * query
    scores = np.sort(products.sum(axis=1))
    spread = float(np.linalg.norm(products, axis=1).max())
    return bool(scores[-k] - scores[0] > _ROUNDED * spread)
