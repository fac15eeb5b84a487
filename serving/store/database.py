"""The service's database: an SQLite file of the state folder, or a team's PostgreSQL.

Each part of the store declares a `Schema`; its tables are made on first use. A table's name begins
with ``concord_``, since a team's database may hold the tables of others.
"""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Self

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    Table,
    Text,
    create_engine,
    event,
    insert,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError

from components.config.home import DATABASE
from components.core.errors import MachineError, UsageError, UserError
from components.registry import postgres_url
from components.registry.sqlite_writer import writer

METADATA = MetaData()
_WAIT = 30.0  # seconds that a writer waits for another one
_POOL = 8  # connections that are kept
_MAKING = int.from_bytes(b"store", "big")
"""PostgreSQL's advisory lock of whoever makes tables: locks are numbers."""
_MAKING_FILE = threading.Lock()
"""Of whoever makes an SQLite file: nobody in this process connects to it before it is closed."""
_WRITES = "concord_writes"
_VERSIONS = Table(
    "concord_store",
    METADATA,
    Column("schema", Text, primary_key=True),
    Column("version", Integer, nullable=False),
)


@dataclass(frozen=True, kw_only=True)
class Schema:
    """The tables of one part of the store."""

    name: str
    version: int
    """Raised with every change of the tables."""
    tables: tuple[Table, ...] = field(repr=False)
    """Tables of `METADATA`."""


class StoreError(MachineError):
    """The store cannot be read or written now."""


class Database:
    """Connections to the store, for any number of threads and processes; a context manager.

    A transaction that was committed survives the end of the process and a power cut.

    Args:
        place: a file, or a PostgreSQL URL; nothing is opened or made yet.
    """

    def __init__(self, place: Path | str) -> None:
        self._place = place
        self._known: set[str] = set()
        self._making = threading.Lock()

    @contextmanager
    def reading(self, schema: Schema) -> Iterator[Connection]:
        """One transaction to read with: all its queries see the same state.

        Raises:
            StoreError: the store cannot be read.
            UserError: another version of Concord made it.
        """
        with self._transaction("read", schema, writes=False) as connection:
            yield connection

    @contextmanager
    def writing(self, schema: Schema) -> Iterator[Connection]:
        """One durable transaction; SQLite has one writer at a time, and others wait.

        Raises:
            StoreError: the store cannot be written, or others hold it too long.
            UserError: another version of Concord made it.
        """
        with self._transaction("write", schema, writes=True) as connection:
            yield connection

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._engine.dispose()

    @property
    def postgres(self) -> bool:
        """Whether it is a PostgreSQL database."""
        return isinstance(self._place, str)

    @contextmanager
    def _transaction(self, verb: str, schema: Schema, *, writes: bool) -> Iterator[Connection]:
        with self._explained(verb):
            if schema.name not in self._known:
                self._prepare(schema)
            with self._connection(writes=writes) as connection:
                yield connection

    @contextmanager
    def _connection(self, *, writes: bool) -> Iterator[Connection]:
        engine = self._engine.execution_options(**{_WRITES: writes})
        with engine.begin() as connection:
            if writes and self.postgres:
                connection.execute(text(f"SET LOCAL lock_timeout = '{_WAIT:.0f}s'"))
                connection.execute(text("SET LOCAL synchronous_commit = on"))
            yield connection

    def _prepare(self, schema: Schema) -> None:
        """Create the tables of a schema if they do not exist.

        Raises:
            UserError: they exist in another version.
        """
        with self._making, self._connection(writes=True) as connection:
            if self.postgres:  # of several that find none, one makes them
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MAKING})
            METADATA.create_all(connection, [_VERSIONS, *schema.tables])
            query = select(_VERSIONS.c.version).where(_VERSIONS.c.schema == schema.name)
            found = connection.execute(query).scalar_one_or_none()
            if found is None:
                row = {"schema": schema.name, "version": schema.version}
                connection.execute(insert(_VERSIONS).values(row))
            elif found != schema.version:
                raise UserError(
                    f"the store {self._shown} has the tables of {schema.name} in version {found}, "
                    f"wanted {schema.version}; use the Concord that made it, or another store"
                )
        self._known.add(schema.name)

    @property
    def _shown(self) -> str:
        return postgres_url.place(self._place) if isinstance(self._place, str) else str(self._place)

    @contextmanager
    def _explained(self, verb: str) -> Iterator[None]:
        """Turn an error of the database into one clear sentence without the password."""
        try:
            yield
        except OSError as error:
            raise self._of_file(verb, error) from error
        except DBAPIError as error:
            reason = error.orig or error
            if not isinstance(self._place, str):
                raise self._of_file(verb, reason) from error
            words = postgres_url.without_password(self._place, str(reason))
            raise StoreError(  # not chained: it may hold the URL, with its password
                f"cannot {verb} the store {self._shown}: {words}; check that the server runs and "
                f"that {DATABASE} names it, a database, and a user who may create tables there"
            ) from None

    def _of_file(self, verb: str, reason: BaseException) -> StoreError:
        why = reason.strerror if isinstance(reason, OSError) and reason.strerror else reason
        return StoreError(
            f"cannot {verb} the store {self._shown}: {why}; "
            "free space there, make it writable, or set CONCORD_HOME to a folder that is"
        )

    @cached_property
    def _engine(self) -> Engine:
        return _postgres(self._place) if isinstance(self._place, str) else _sqlite(self._place)


def _postgres(url: str) -> Engine:
    try:  # libpq reads the URL, not SQLAlchemy: both know forms that the other does not
        return create_engine(
            "postgresql+psycopg://",
            creator=lambda: postgres_url.connect(url),
            pool_size=_POOL,
            pool_pre_ping=True,
            use_native_hstore=False,
        )
    except ImportError as error:
        raise UsageError(
            f"{DATABASE} names a PostgreSQL database and psycopg is not installed; "
            "pip install 'concord[postgres]'"
        ) from error


def _make(path: Path) -> None:
    """Make a missing file, readable by its owner alone: it holds tokens' names and answers.

    An existing file is never opened here: POSIX frees all locks that a process has on a file when
    it closes any descriptor of it. Another process would then take itself for the last one, remove
    the write-ahead log, and what this process commits later would be lost
    (https://www.sqlite.org/howtocorrupt.html, section 2.2).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _MAKING_FILE, suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _sqlite(path: Path) -> Engine:
    def connect() -> sqlite3.Connection:
        _make(path)
        return writer(path, _WAIT)  # the pool gives a connection to one thread at a time

    engine = create_engine(
        "sqlite:///store", creator=connect, pool_size=_POOL, max_overflow=_POOL, pool_timeout=_WAIT
    )

    # Python's driver begins transactions by its own rules, unless `isolation_level` is None.
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    event.listen(engine, "begin", begin)
    return engine
