"""The journal of records in the service's database: SQLite or PostgreSQL.

Numbers are given by the only writer of the moment and not by the database: SQLite's write
transaction and PostgreSQL's advisory lock both last until the commit, so that rows become visible
in the order of their numbers. With a sequence, a follower could see 8 before 7 and never read 7.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    DateTime,
    Float,
    Index,
    Integer,
    LargeBinary,
    Select,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite

from components.prediction.journal import Entry, Made, Write
from serving.store.database import METADATA, Database, Schema

T = TypeVar("T")
_APPENDING = int.from_bytes(b"journal", "big")
"""PostgreSQL's advisory lock of whoever appends: locks are numbers."""
_AT_A_TIME = 500
"""Rows that one statement names: SQLite allows so many variables."""
_NUMBER = BigInteger().with_variant(Integer, "sqlite")

_ROWS = Table(
    "concord_journal",
    METADATA,
    Column("number", _NUMBER, primary_key=True, autoincrement=False),
    Column("model", Text, nullable=False),
    Column("record", Text, nullable=False),
    Column("deleted", Boolean, nullable=False),
    Column("values", Text),
    Column("label", Text),
    Column("written", DateTime(timezone=True), server_default=func.now(), nullable=False),
    Index("concord_journal_by_record", "model", "record", "number"),
)
_MEDIA = Table(
    "concord_journal_media",
    METADATA,
    Column("number", _NUMBER, primary_key=True, autoincrement=False),
    Column("modality", Text, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)
_TIMES = Table(
    "concord_journal_times",
    METADATA,
    Column("number", _NUMBER, primary_key=True, autoincrement=False),
    Column("time", Float(53), nullable=False),
)
_MADE = Table(
    "concord_journal_made",
    METADATA,
    Column("package", Text, primary_key=True),
    Column("number", _NUMBER, primary_key=True, autoincrement=False),
    Column("content", LargeBinary, nullable=False),
)
SCHEMA = Schema(name="journal", version=1, tables=(_ROWS, _MEDIA, _TIMES, _MADE))


class RecordsJournal:
    """The writes of one model's records; see `components.prediction.journal.Journal`.

    Args:
        database: the service's database.
        model: registered name of the model; all its versions share the journal.
    """

    def __init__(self, database: Database, model: str) -> None:
        self._database, self._model = database, model
        self._mine = _ROWS.c.model == model

    def append(self, writes: Sequence[Write], made: Made | None = None) -> int:
        """Commit writes and return the number of the last one; see `Journal.append`.

        Raises:
            UserError: the database cannot be written; nothing was.
        """
        with self._database.writing(SCHEMA) as connection:
            first = self._next(connection)
            rows = [self._row(n, write) for n, write in enumerate(writes, start=first)]
            media = [
                {"number": n, "modality": name, "content": value}
                for n, write in enumerate(writes, start=first)
                for name, value in (write.record or {}).items()
                if isinstance(value, bytes)
            ]
            times = [
                {"number": n, "time": write.time}
                for n, write in enumerate(writes, start=first)
                if write.time is not None
            ]
            for table, found in ((_ROWS, rows), (_MEDIA, media), (_TIMES, times)):
                if found:
                    connection.execute(insert(table), found)
            if made is not None:
                self._keep(connection, made.digest, dict(enumerate(made.contents, start=first)))
        return first + len(writes) - 1

    def last(self) -> int:
        """The number of the last write; 0 without any."""
        with self._database.reading(SCHEMA) as connection:
            query = select(func.max(_ROWS.c.number)).where(self._mine)
            return connection.execute(query).scalar() or 0

    def after(self, number: int, limit: int) -> list[Entry]:
        """The first ``limit`` rows after a number, in order."""
        query = (
            select(_ROWS.c.number, _ROWS.c.record, _ROWS.c.deleted)
            .where(self._mine, _ROWS.c.number > number)
            .order_by(_ROWS.c.number)
            .limit(limit)
        )
        with self._database.reading(SCHEMA) as connection:
            return [
                Entry(number=n, id=record, deleted=deleted)
                for n, record, deleted in connection.execute(query)
            ]

    def written(self, numbers: Sequence[int]) -> dict[int, Write]:
        """What was written, by number; rows that were compacted away are left out."""
        found: dict[int, Write] = {}
        with self._database.reading(SCHEMA) as connection:
            for part in _parts(numbers):
                media: dict[int, dict[str, bytes]] = {}
                query = select(_MEDIA).where(_MEDIA.c.number.in_(part))
                for n, modality, content in connection.execute(query):
                    media.setdefault(n, {})[modality] = bytes(content)
                for n, record, deleted, values, label, time in connection.execute(_written(part)):
                    whole = None if deleted else {**json.loads(values), **media.get(n, {})}
                    found[n] = Write(
                        id=record, record=whole, label=label and json.loads(label), time=time
                    )
        return found

    def made(self, digest: str, numbers: Sequence[int]) -> dict[int, bytes]:
        """What a model has made of writes, by number, as far as it is kept."""
        found: dict[int, bytes] = {}
        with self._database.reading(SCHEMA) as connection:
            for part in _parts(numbers):
                query = select(_MADE.c.number, _MADE.c.content).where(
                    _MADE.c.package == digest, _MADE.c.number.in_(part)
                )
                found |= {n: bytes(content) for n, content in connection.execute(query)}
        return found

    def keep(self, digest: str, made: Mapping[int, bytes]) -> None:
        """Keep what a model made of writes."""
        with self._database.writing(SCHEMA) as connection:
            self._keep(connection, digest, made)

    def compact(self, packages: Sequence[str]) -> int:
        """Keep the last write of each record, and what some packages made of it.

        A deletion is kept, since the packages of the model may have the record.

        Args:
            packages: digests of those that are served.

        Returns:
            How many writes were removed.
        """
        last = select(func.max(_ROWS.c.number)).where(self._mine).group_by(_ROWS.c.record)
        with self._database.writing(SCHEMA) as connection:
            gone = delete(_ROWS).where(self._mine, _ROWS.c.number.not_in(last))
            removed = connection.execute(gone).rowcount
            for table in (_MEDIA, _TIMES, _MADE):
                lost = table.c.number.not_in(select(_ROWS.c.number))
                connection.execute(delete(table).where(lost))
            connection.execute(delete(_MADE).where(self._of_others(packages)))
        return removed

    def _of_others(self, packages: Sequence[str]) -> ColumnElement[bool]:
        """What packages that are not served made of this model's writes."""
        mine = select(_ROWS.c.number).where(self._mine)
        return _MADE.c.number.in_(mine) & _MADE.c.package.not_in(packages)

    def _next(self, connection: Connection) -> int:
        """The next number, for the only writer until its transaction ends."""
        if self._database.postgres:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _APPENDING})
        # The last row of a record is never compacted away, so a number is not given twice.
        return (connection.execute(select(func.max(_ROWS.c.number))).scalar() or 0) + 1

    def _row(self, number: int, write: Write) -> dict[str, Any]:
        values = write.record and {
            name: value for name, value in write.record.items() if not isinstance(value, bytes)
        }
        return {
            "number": number,
            "model": self._model,
            "record": write.id,
            "deleted": write.record is None,
            "values": None if write.record is None else json.dumps(values),
            "label": None if write.label is None else json.dumps(write.label),
        }

    def _keep(self, connection: Connection, digest: str, made: Mapping[int, bytes | None]) -> None:
        rows = [
            {"package": digest, "number": n, "content": content}
            for n, content in made.items()
            if content is not None
        ]
        if rows:  # another replica may have made the same
            adding = postgresql.insert if self._database.postgres else sqlite.insert
            connection.execute(adding(_MADE).on_conflict_do_nothing(), rows)


def _written(numbers: Sequence[int]) -> Select[Any]:
    """Rows with what was written, but for media."""
    columns = (_ROWS.c.number, _ROWS.c.record, _ROWS.c.deleted, _ROWS.c["values"], _ROWS.c.label)
    whole = _ROWS.outerjoin(_TIMES, _ROWS.c.number == _TIMES.c.number)
    return select(*columns, _TIMES.c.time).select_from(whole).where(_ROWS.c.number.in_(numbers))


def _parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), _AT_A_TIME):
        yield items[start : start + _AT_A_TIME]
