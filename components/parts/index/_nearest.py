"""How a table in PostgreSQL is searched: by the graph, or all that a filter leaves.

The graph is walked with iterative scans, so that a walk goes on until enough allowed records were
met. Where few are allowed it would visit many others, and comparing all of the allowed is faster.
"""

from collections.abc import Sequence
from math import sqrt
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from components.parts.filters import Filter
from components.parts.index._pgvector import Half, Vector, read
from components.parts.index._where import Where

GRAPHED = 20_000
"""Records from which a table gets a graph; fewer are compared exactly."""
MOST_HALVES = 4000
"""Numbers of a vector that pgvector's graph of half-precision vectors takes."""
_WIDTH, _WIDEST = 400, 1000
"""Candidates kept while searching (``hnsw.ef_search``): usual, and the most, where a filter takes
most of them away."""
_STEP = 8
"""Records that are compared in the time in which a walk visits one."""

Vectors = NDArray[np.float32]
Near = tuple[list[str], Vectors]
"""Ids ``(n,)`` and vectors ``(n, dim)`` of some records."""


class Nearest:
    """Searches one table.

    Args:
        table: with the columns ``id`` and ``v``.
        where: its filters.
        dim: numbers of a vector.

    """

    def __init__(self, table: sa.Table, where: Where, dim: int) -> None:
        self._table, self._where, self._dim = table, where, dim
        self._size, self._written = 0, 1

    def wrote(self, records: int) -> None:
        """Take note of records that were written, or replaced."""
        self._written += records

    def of(
        self,
        connection: sa.Connection,
        queries: Vectors,
        count: int,
        where: Filter | None,
        *,
        exact: bool,
    ) -> list[Near]:
        """The records nearest to each query ``(q, dim)``.

        Args:
            connection: on which it is asked.
            queries: ``(q, dim)``.
            count: records wanted.
            where: which may be found.
            exact: compare all of them, and not those that the graph leads to.
        """
        walks = not exact and self._walks(connection, count, where)
        found = []
        for query in queries:
            near = self._walked(connection, query, count, where) if walks else None
            found.append(near or self._compared(connection, query, count, where))
        return found

    def _walks(self, connection: sa.Connection, count: int, where: Filter | None) -> bool:
        """Whether to walk the graph: it meets one allowed record in so many that it visits."""
        if self._dim > MOST_HALVES:
            return False
        if self._written > self._size // 10:  # about how many suffices
            self._size, self._written = self.count(connection), 0
        few = int(sqrt(_STEP * count * self._size))
        if where is None or self._size < max(few, GRAPHED):
            return self._size >= max(few, GRAPHED)
        return self.count(connection, where, few + 1) > few

    def _walked(
        self, connection: sa.Connection, query: Vectors, count: int, where: Filter | None
    ) -> Near | None:
        """What the graph leads to; None where that is not enough."""
        given, half = sa.literal(query, Vector(self._dim)), Half(self._dim)
        stored = self._table.c.v
        order = sa.cast(stored, half).op("<#>")(sa.cast(given, half))
        found = sa.select(self._table.c.id, sa.func.vector_send(stored)).order_by(order)
        width = min(_WIDEST, max(_WIDTH, 2 * count)) if where is None else _WIDEST
        wanted = {
            "hnsw.ef_search": str(width),
            "enable_sort": "off",  # the graph, and not all allowed records in order
        }
        chosen = (sa.func.set_config(name, value, True) for name, value in wanted.items())
        connection.execute(sa.select(*chosen))
        rows = connection.execute(self._allowed(found, where).limit(count)).all()
        return self._near(rows) if len(rows) == count else None

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

    def count(
        self, connection: sa.Connection, where: Filter | None = None, most: int | None = None
    ) -> int:
        """Number of records that satisfy a filter, counted up to ``most``."""
        some = self._allowed(sa.select(sa.literal(1)).select_from(self._table), where)
        statement = sa.select(sa.func.count()).select_from(some.limit(most).subquery())
        return int(connection.execute(statement).scalar_one())

    def _allowed(self, statement: sa.Select[Any], where: Filter | None) -> sa.Select[Any]:
        return statement if where is None else statement.where(self._where.satisfies(where))
