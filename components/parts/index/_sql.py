"""One table of vectors in PostgreSQL: its statements, whose values are all parameters."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.dialects import postgresql as pg

from components.core.errors import UsageError
from components.parts.columns import Attributes, Value
from components.parts.filters import Declared, Filter, Type
from components.parts.index._connection import connected, engine, first_line
from components.parts.index._lists import Lists
from components.parts.index._nearest import Near, Nearest
from components.parts.index._pgvector import Vector, read
from components.parts.index._where import Where

_AT_A_TIME = 1000
_TYPES: dict[Type, Any] = {
    "text": sa.Text,
    "texts": pg.ARRAY(sa.Text),
    "number": sa.Double,
    "time": sa.Double,
    "bool": sa.Boolean,
}


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
        self._lists = Lists(self._engine, self._table, dim)
        self._nearest = Nearest(self._table, self._where, self._lists, dim)

    def create(self) -> None:
        """Make the table.

        Raises:
            UsageError: the server has no pgvector, or does not let its user make tables.
            MachineError: the server does not answer.
        """
        with connected(self._engine) as connection:
            try:
                connection.execute(sa.text("CREATE EXTENSION IF NOT EXISTS vector"))
            except sa.exc.DBAPIError as error:
                raise UsageError(
                    "the index family postgres needs a server with pgvector 0.8 or newer,"
                    f" and a user who may add it: {first_line(error)}"
                ) from error
            self._table.create(connection)

    def find(self) -> None:
        """Check that the table exists, and make the lists that one of an earlier version lacks.

        Raises:
            UsageError: it does not.
        """
        with connected(self._engine) as connection:
            if not sa.inspect(connection).has_table(self.name):
                raise UsageError(
                    f"the database has no table {self.name}, which holds this index: got another"
                    " database, or the table was dropped; package the model again"
                )
        self._lists.tend()

    def drop(self) -> None:
        """Remove the table."""
        with connected(self._engine) as connection:
            self._table.drop(connection)

    def count(self) -> int:
        """Number of records."""
        with connected(self._engine) as connection:
            return self._nearest.count(connection)

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
        with connected(self._engine) as connection:
            for start in range(0, len(ids), _AT_A_TIME):
                rows = range(start, min(start + _AT_A_TIME, len(ids)))
                records = [
                    {"id": ids[r], "v": vectors[r], **{c: v[r] for c, v in values.items()}}
                    for r in rows
                ]
                connection.execute(insert, records)
        self._nearest.wrote(len(ids))
        self._lists.wrote(len(ids))

    def delete(self, ids: Sequence[str]) -> None:
        """Remove records."""
        with connected(self._engine) as connection:
            connection.execute(sa.delete(self._table).where(self._where.one_of(ids)))

    def nearest(
        self, queries: NDArray[np.float32], k: int, where: Filter | None, *, exact: bool
    ) -> list[Near]:
        """Records among which are the nearest to each query; see `Nearest.of`."""
        with connected(self._engine) as connection:
            return self._nearest.of(connection, queries, k, where, exact=exact)

    def vectors_of(self, ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Vectors by id, of those that exist."""
        table = self._table.c
        statement = sa.select(table.id, sa.func.vector_send(table.v)).where(self._where.one_of(ids))
        with connected(self._engine) as connection:
            return {row[0]: read(row[1]) for row in connection.execute(statement)}


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
