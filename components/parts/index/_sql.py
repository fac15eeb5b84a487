"""One table of vectors in PostgreSQL: its statements, whose values are all parameters."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from math import sqrt
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.dialects import postgresql as pg

from components.core.errors import MachineError, UsageError
from components.parts.columns import Attributes, Value
from components.parts.filters import Declared, Filter, Type
from components.parts.index._pgvector import Half, Vector, read
from components.parts.index._where import Where

_GRAPHED = 20_000
"""Records from which the table gets a graph; fewer are compared exactly."""
_MOST_HALVES = 4000
"""Numbers of a vector that pgvector's graph of half-precision vectors takes."""
_WIDTH, _WIDEST = 300, 1000
"""Candidates kept while searching (``hnsw.ef_search``): usual, and the most."""
_STEP = 16
"""Records that are compared in the time in which a walk visits one."""
_VISITED = 10_000
"""Records that an iterative scan looks at (``hnsw.max_scan_tuples``)."""
_SESSION = (
    ("hnsw.iterative_scan", "strict_order"),
    ("hnsw.max_scan_tuples", _VISITED),
    # A plan for any value of a filter cannot know how few records a value leaves.
    ("plan_cache_mode", "force_custom_plan"),
)
_BUILDING_MB = (64, 1024)
"""Memory in which a graph is built (``maintenance_work_mem``): least and most."""
_NODE_BYTES = 600
"""What the graph keeps of a record beside its vector."""
_AT_A_TIME = 1000
Vectors = NDArray[np.float32]
Near = tuple[list[str], Vectors]
"""Ids ``(n,)`` and vectors ``(n, dim)`` of some records."""
_TYPES: dict[Type, Any] = {
    "text": sa.Text,
    "texts": pg.ARRAY(sa.Text),
    "number": sa.Double,
    "time": sa.Double,
    "bool": sa.Boolean,
}


@cache
def engine(url: str) -> sa.Engine:
    """The connections to a database, which all its tables share."""
    address = sa.make_url(url).set(drivername="postgresql+psycopg")
    made = sa.create_engine(address, pool_pre_ping=True)
    sa.event.listen(made, "connect", _begin_session)
    return made


def _begin_session(connection: Any, _: object) -> None:  # noqa: ANN401 - of psycopg
    with connection.cursor() as cursor:
        for name, value in _SESSION:
            cursor.execute("SELECT set_config(%s, %s, false)", (name, str(value)))
    connection.commit()


class Table:
    """A table, found by name in the database of a URL.

    Args:
        url: the database.
        name: the table.
        dim: numbers of a vector.
        declared: the attributes and their types.
    """

    def __init__(self, url: str, name: str, dim: int, declared: Declared) -> None:
        self.name, self.dim, self.declared = name, dim, dict(declared)
        self._engine = engine(url)
        # Longer vectors have no graph, and are compared exactly.
        self._graphed = dim > _MOST_HALVES
        self._size: int | None = None  # about how many records; it chooses how to search
        # Attributes may have any name; columns are numbered.
        self._fields = {field: f"a{i}" for i, field in enumerate(sorted(declared))}
        columns = [sa.Column(self._fields[f], _TYPES[declared[f]]) for f in sorted(declared)]
        self._table = sa.Table(
            name,
            sa.MetaData(),
            sa.Column("id", sa.Text(collation="C"), primary_key=True),
            sa.Column("v", Vector(dim), nullable=False),
            *columns,
        )
        for field, column in self._fields.items():
            sa.Index(
                f"{name}_{column}",
                self._table.c[column],
                postgresql_using="gin" if declared[field] == "texts" else "btree",
            )
        self._where = Where(self._table, self._fields, declared)

    def create(self) -> None:
        """Make the table.

        Raises:
            UsageError: the server has no pgvector, or does not let its user make tables.
            MachineError: the server does not answer.
        """
        with self._connected() as connection:
            try:
                connection.execute(sa.text("CREATE EXTENSION IF NOT EXISTS vector"))
            except sa.exc.DBAPIError as error:
                raise UsageError(
                    "the index family postgres needs a server with pgvector 0.8 or newer,"
                    f" and a user who may add it: {_first_line(error)}"
                ) from error
            self._table.create(connection)

    def find(self) -> None:
        """Check that the table exists.

        Raises:
            UsageError: it does not.
        """
        with self._connected() as connection:
            if not sa.inspect(connection).has_table(self.name):
                raise UsageError(
                    f"the database has no table {self.name}, which holds this index: got another"
                    " database, or the table was dropped; package the model again"
                )

    def drop(self) -> None:
        """Remove the table."""
        with self._connected() as connection:
            self._table.drop(connection)

    def count(self, where: Filter | None = None, most: int | None = None) -> int:
        """Number of records that satisfy a filter, counted up to ``most``."""
        with self._connected() as connection:
            return self._count(connection, where, most)

    def _count(
        self, connection: sa.Connection, where: Filter | None = None, most: int | None = None
    ) -> int:
        some = self._allowed(sa.select(sa.literal(1)).select_from(self._table), where)
        statement = sa.select(sa.func.count()).select_from(some.limit(most).subquery())
        return int(connection.execute(statement).scalar_one())

    def _allowed(self, statement: sa.Select[Any], where: Filter | None) -> sa.Select[Any]:
        return statement if where is None else statement.where(self._where.satisfies(where))

    def upsert(self, ids: Sequence[str], vectors: NDArray[np.float32], attrs: Attributes) -> None:
        """Write checked records in one transaction."""
        if not len(ids):
            return
        for text in _texts(ids, attrs):
            if "\0" in text:
                raise ValueError("got a text with a zero character, which PostgreSQL cannot hold")
        values = {self._fields[f]: [_plain(v, self.declared[f]) for v in attrs[f]] for f in attrs}
        insert = pg.insert(self._table)
        changed = {c.name: insert.excluded[c.name] for c in self._table.c if c.name != "id"}
        insert = insert.on_conflict_do_update(index_elements=["id"], set_=changed)
        with self._connected() as connection:
            for start in range(0, len(ids), _AT_A_TIME):
                rows = range(start, min(start + _AT_A_TIME, len(ids)))
                records = [
                    {"id": ids[r], "v": vectors[r], **{c: v[r] for c, v in values.items()}}
                    for r in rows
                ]
                connection.execute(insert, records)
        self._size = None
        if not self._graphed and self.count(None, _GRAPHED) == _GRAPHED:
            self._add_graph()
            self._graphed = True

    def delete(self, ids: Sequence[str]) -> None:
        """Remove records."""
        with self._connected() as connection:
            connection.execute(sa.delete(self._table).where(self._where.one_of(ids)))

    def nearest(
        self, queries: NDArray[np.float32], count: int, where: Filter | None, *, exact: bool
    ) -> list[Near]:
        """The records nearest to each query ``(q, dim)``.

        Args:
            queries: ``(q, dim)``.
            count: records wanted.
            where: which may be found.
            exact: compare all of them, and not those that the graph leads to.
        """
        with self._connected() as connection:
            walks = not exact and self._walks(connection, count, where)
            found = []
            for query in queries:
                near = self._walked(connection, query, count, where) if walks else None
                found.append(near or self._compared(connection, query, count, where))
            return found

    def _walks(self, connection: sa.Connection, count: int, where: Filter | None) -> bool:
        """Whether to walk the graph: it meets one allowed record in so many that it visits."""
        if self.dim > _MOST_HALVES:
            return False
        if self._size is None:
            self._size = self._count(connection)
        few = int(sqrt(_STEP * count * self._size))
        if where is None or self._size <= few:
            return self._size > few
        return self._count(connection, where, few + 1) > few

    def _walked(
        self, connection: sa.Connection, query: Vectors, count: int, where: Filter | None
    ) -> Near | None:
        """What the graph leads to; None where that is not enough."""
        given, half = sa.literal(query, Vector(self.dim)), Half(self.dim)
        stored = self._table.c.v
        order = sa.cast(stored, half).op("<#>")(sa.cast(given, half))
        found = sa.select(self._table.c.id, sa.func.vector_send(stored)).order_by(order)
        wanted = {
            "hnsw.ef_search": str(min(_WIDEST, max(_WIDTH, 2 * count))),
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
        distance = table.v.op("<#>", return_type=sa.Double())(sa.literal(query, Vector(self.dim)))
        best = self._allowed(sa.select(table.id, distance.label("d")), where)
        best = best.order_by(sa.text("d"), table.id).limit(count)
        near = best.cte("near").prefix_with("MATERIALIZED", dialect="postgresql")
        found = sa.select(table.id, sa.func.vector_send(table.v)).join(near, near.c.id == table.id)
        return self._near(connection.execute(found).all())

    def _near(self, rows: Sequence[Any]) -> Near:
        vectors = [read(row[1]) for row in rows]
        return [row[0] for row in rows], np.array(vectors, np.float32).reshape(-1, self.dim)

    def vectors_of(self, ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Vectors by id, of those that exist."""
        table = self._table.c
        statement = sa.select(table.id, sa.func.vector_send(table.v)).where(self._where.one_of(ids))
        with self._connected() as connection:
            return {row[0]: read(row[1]) for row in connection.execute(statement)}

    def _add_graph(self) -> None:
        expression = sa.cast(self._table.c.v, Half(self.dim)).label("h")
        index = sa.Index(
            f"{self.name}_graph",
            expression,
            postgresql_using="hnsw",
            postgresql_ops={"h": "halfvec_ip_ops"},
        )
        try:
            with self._connected() as connection:
                need = self._count(connection) * (2 * self.dim + _NODE_BYTES) >> 20
                memory = f"{min(max(need, _BUILDING_MB[0]), _BUILDING_MB[1])}MB"
                setting = sa.func.set_config("maintenance_work_mem", memory, True)
                connection.execute(sa.select(setting))
                index.create(connection, checkfirst=True)
                connection.execute(sa.text(f"ANALYZE {self.name}"))
        finally:
            self._table.indexes.discard(index)

    @contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        """One transaction.

        Raises:
            MachineError: the server does not answer.
        """
        try:
            with self._engine.begin() as connection:
                yield connection
        except sa.exc.OperationalError as error:
            raise MachineError(
                f"the database of the index does not answer: {_first_line(error)}"
            ) from error


def _plain(value: Value, kind: Type) -> object:
    """A value as the column takes it: NaN and no texts at all are null."""
    if kind == "texts":
        return sorted(set(value)) if isinstance(value, Sequence) and value else None
    return None if isinstance(value, float) and np.isnan(value) else value


def _texts(ids: Sequence[str], attrs: Mapping[str, Sequence[Value]]) -> Iterator[str]:
    yield from ids
    for values in attrs.values():
        for value in values:
            if isinstance(value, str):
                yield value
            elif isinstance(value, Sequence):
                yield from value


def _first_line(error: sa.exc.DBAPIError) -> str:
    return str(error.orig).strip().partition("\n")[0]
