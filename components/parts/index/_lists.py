"""The inverted lists of a table in PostgreSQL: made once it has many records, anew as it grows.

Every vector is in the list of the centre that is nearest to it, and a search looks through the
lists of the centres nearest to the query. So a record is always found by its own vector, however
many others were written near it, which a graph of neighbours cannot promise.

Source: pgvector 0.8 (2024), README, "IVFFlat"; Sivic & Zisserman 2003, "Video Google: a text
retrieval approach to object matching in videos".
"""

import sys
from math import sqrt

import sqlalchemy as sa

from components.parts.index._connection import connected
from components.parts.index._pgvector import Half

LISTED = 20_000
"""Records from which a table gets lists; fewer are compared exactly."""
MOST_HALVES = 4000
"""Numbers of a vector that pgvector's lists of half-precision vectors take."""
_PER_ROOT = 4
"""Lists for each unit of the root of the number of records."""
_GROWN = 2
"""Lists are made anew where there should be so many times as many."""
_SAMPLED = 50
"""Records for each list, among which pgvector finds the centres."""
_MOST_MB = 1024
"""Memory for finding them (``maintenance_work_mem``), which bounds the number of lists."""
_LOCK = 0x636F6E63
"""Held while lists are made, by one process for all tables of a database."""


class Lists:
    """The lists of one table.

    Args:
        engine: its database.
        table: with the column ``v``.
        dim: numbers of a vector.
    """

    def __init__(self, engine: sa.Engine, table: sa.Table, dim: int) -> None:
        # Outside transactions, so that an index is made while others write.
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._table, self._dim = table, dim
        self._prefix = f"{table.name}_lists_"
        self._most = _most(dim)
        self._due = LISTED if dim <= MOST_HALVES else sys.maxsize
        self._written, self._ready = 0, False

    def ready(self, connection: sa.Connection) -> bool:
        """Whether there are lists; where they are made anew, the old ones stay until then."""
        self._ready = self._ready or self._usable(self._found(connection)) > 0
        return self._ready

    def wrote(self, records: int) -> None:
        """Take note of records that were written, and make lists where enough are there."""
        self._written += records
        if self._written < self._due // 100:
            return
        self._written = 0
        some = sa.select(sa.literal(1)).select_from(self._table).limit(self._due).subquery()
        with connected(self._engine) as connection:
            there = connection.execute(sa.select(sa.func.count()).select_from(some)).scalar_one()
        if there >= self._due:
            self.tend()

    def tend(self) -> None:
        """Make the lists that the records ask for, and remove what earlier versions left.

        Others search and write meanwhile. Where another process makes lists in this database,
        nothing is done. Whatever one that was killed has left is removed by the next.

        Raises:
            MachineError: the server does not answer.
        """
        if self._dim > MOST_HALVES:
            return
        with connected(self._engine) as connection:
            if not connection.execute(sa.select(sa.func.pg_try_advisory_lock(_LOCK))).scalar_one():
                return
            try:
                self._renew(connection)
            finally:
                connection.execute(sa.select(sa.func.pg_advisory_unlock(_LOCK)))

    def _renew(self, connection: sa.Connection) -> None:
        count = sa.select(sa.func.count()).select_from(self._table)
        records = int(connection.execute(count).scalar_one())
        found = self._found(connection)
        kept = self._usable(found)
        self._drop(connection, [name for name, valid in found.items() if not valid])
        wanted = min(int(_PER_ROOT * sqrt(records)), self._most)
        if records >= LISTED and wanted >= _GROWN * kept and wanted > kept:
            self._make(connection, wanted)
            kept = wanted
        if kept:
            others = set(self._found(connection)) - {f"{self._prefix}{kept}"}
            self._drop(connection, sorted(others))
            grown = int((_GROWN * kept / _PER_ROOT) ** 2)
            self._due = grown if _GROWN * kept <= self._most else sys.maxsize

    def _make(self, connection: sa.Connection, lists: int) -> None:
        memory = f"{max(64, _megabytes(lists, self._dim))}MB"
        connection.execute(sa.select(sa.func.set_config("maintenance_work_mem", memory, False)))
        half = Half(self._dim).get_col_spec()
        try:
            connection.execute(
                sa.text(
                    f"CREATE INDEX CONCURRENTLY {self._prefix}{lists} ON {self._table.name}"
                    f" USING ivfflat ((v::{half}) halfvec_ip_ops) WITH (lists = {lists})"
                )
            )
            connection.execute(sa.text(f"ANALYZE {self._table.name}"))
        finally:
            connection.execute(sa.text("RESET maintenance_work_mem"))

    def _drop(self, connection: sa.Connection, names: list[str]) -> None:
        for name in names:
            connection.execute(sa.text(f"DROP INDEX CONCURRENTLY IF EXISTS {name}"))

    def _found(self, connection: sa.Connection) -> dict[str, bool]:
        """Indexes of vectors by name, and whether each was made to the end."""
        statement = sa.text(
            "SELECT c.relname, i.indisvalid FROM pg_index i"
            " JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam"
            " WHERE i.indrelid = to_regclass(:name) AND m.amname IN ('ivfflat', 'hnsw')"
        )
        rows = connection.execute(statement, {"name": self._table.name})
        return {str(name): bool(valid) for name, valid in rows}

    def _usable(self, found: dict[str, bool]) -> int:
        """The most lists of an index that was made to the end; 0 without any."""
        names = [n for n, valid in found.items() if valid and n.startswith(self._prefix)]
        return max((int(name.removeprefix(self._prefix)) for name in names), default=0)


def _megabytes(lists: int, dim: int) -> int:
    """Memory for finding so many centres, as pgvector reckons it."""
    vector, samples = 2 * dim + 16, _SAMPLED * lists
    numbers = lists * (samples + lists) + 2 * samples + 4 * lists
    return 2 + (4 * numbers + vector * (samples + 2 * lists) >> 20)


def _most(dim: int) -> int:
    """The most lists whose centres are found in the memory there is."""
    return max(lists for lists in range(100, 3000, 100) if _megabytes(lists, dim) <= _MOST_MB)
