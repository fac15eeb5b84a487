"""The database of the registry: an SQLite file on one machine, or a team's PostgreSQL.

Its tables are in `METADATA`.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout
from sqlalchemy import Connection, Engine, MetaData, Table, create_engine, event, inspect, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from components.core.errors import UsageError, UserError
from components.registry import postgres_url

METADATA = MetaData()

_WAIT = 30.0  # seconds that a writer waits for another one
_LOCK = int.from_bytes(b"concord", "big")  # PostgreSQL's advisory locks are numbers
_LOCK_NOT_AVAILABLE = "55P03"  # SQLSTATE
_DURABLE = (  # an entry that was reported survives a power cut
    "SELECT set_config('synchronous_commit', 'on', true) "
    "WHERE current_setting('synchronous_commit') = 'off'"
)


class SqliteFile:
    """Tables in one file; reading a missing file finds nothing and does not make it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def reading(self) -> Iterator[Connection | None]:
        """A connection to read with; None where there is no file.

        Raises:
            UserError: the file is not a database or cannot be read.
        """
        try:
            if not self._path.is_file() or self._path.stat().st_size == 0:
                yield None
                return
            with self._reader() as connection:
                yield connection
        except (OSError, DBAPIError) as error:
            raise self._refusal("read", error) from error

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One durable transaction of the only writer.

        Raises:
            UserError: the file cannot be written (read-only, disk full), is not a database, or
                others hold it too long.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with _sqlite(self._writer, "BEGIN IMMEDIATE").begin() as connection:
                yield connection
        except (OSError, DBAPIError) as error:
            raise self._refusal("write", error) from error

    @contextmanager
    def alone(self, wait: float) -> Iterator[Self]:
        """Hold the one lock of decisions; the system frees it when its holder dies.

        Raises:
            UserError: the folder cannot be written, or another process holds the lock longer than
                ``wait`` seconds.
        """
        folder = self._path.parent
        lock = FileLock(folder / "promotion.lock", timeout=wait)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout as error:
            raise UserError(
                f"another process has held {lock.lock_file} for {wait:.0f} s; "
                "`concord runs` lists the running ones"
            ) from error
        except OSError as error:
            raise UserError(
                f"state folder {folder} cannot be written ({error.strerror}); "
                "make it writable, or set CONCORD_HOME to another"
            ) from error
        try:
            yield self
        finally:
            lock.release()

    def _reader(self) -> Connection:
        # `rw` never makes the file, and the last reader removes SQLite's two files beside it, which
        # `ro` cannot.
        connection = _sqlite(self._opener("mode=rw")).connect()
        try:
            connection.exec_driver_sql("SELECT 1 FROM sqlite_master")
        except OperationalError:
            # In a folder that is not writable SQLite cannot share a write-ahead log; the file is
            # read as it is.
            connection.close()
            return _sqlite(self._opener("immutable=1")).connect()
        return connection

    def _opener(self, mode: str) -> Callable[[], sqlite3.Connection]:
        uri = f"{self._path.absolute().as_uri()}?{mode}"
        return lambda: sqlite3.connect(uri, uri=True, timeout=_WAIT, isolation_level=None)

    def _writer(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=_WAIT, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")  # see _DURABLE
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _refusal(self, verb: str, error: Exception) -> UserError:
        remedy = {
            "write": "free space there, make it writable, or set CONCORD_HOME to a folder that is",
            "read": "make it readable, or move the damaged file away (a new one is begun)",
        }[verb]
        reason = error.orig if isinstance(error, DBAPIError) else error
        return UserError(f"cannot {verb} the ledger {self._path}: {reason}; {remedy}")


class PostgresServer:
    """Tables in the schema that the connection's ``search_path`` names first, beside any others.

    Args:
        url: as libpq reads it.
        held: the connection that holds the lock of decisions; by default each access opens one.
    """

    def __init__(self, url: str, held: Connection | None = None) -> None:
        self._url, self._held = url, held

    @contextmanager
    def reading(self) -> Iterator[Connection | None]:
        """A connection to read with.

        Raises:
            UserError: the database does not answer or refuses.
        """
        with self._transaction("read") as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One durable transaction.

        Raises:
            UserError: the database does not answer or refuses, or others hold a table too long.
        """
        with self._transaction("write") as connection:
            _wait_at_most(connection, _WAIT)
            connection.execute(text(_DURABLE))
            yield connection

    @contextmanager
    def alone(self, wait: float) -> Iterator["PostgresServer"]:
        """Hold the one lock of decisions; the server frees it when the connection ends.

        The server that this yields uses the connection that holds the lock: who has lost the lock
        without knowing it cannot write.

        Raises:
            UserError: the database does not answer, or another process holds the lock longer than
                ``wait`` seconds.
        """
        with self._explained("lock"), self._engine.connect() as connection:
            with connection.begin():
                _wait_at_most(connection, wait)
                connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
            yield PostgresServer(self._url, held=connection)

    @contextmanager
    def _transaction(self, verb: str) -> Iterator[Connection]:
        with self._explained(verb):
            if self._held is None:
                with self._engine.begin() as connection:
                    yield connection
            elif self._held.invalidated:  # SQLAlchemy would connect again, without the lock
                place = postgres_url.place(self._url)
                raise UserError(
                    f"cannot {verb} the ledger {place}: the connection with its lock ended"
                )
            else:
                with self._held.begin():
                    yield self._held

    @contextmanager
    def _explained(self, verb: str) -> Iterator[None]:
        """Turn an error of the database into one clear sentence without the password."""
        try:
            yield
        except DBAPIError as error:  # not chained: it may hold the URL, with its password
            place = postgres_url.place(self._url)
            if getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
                raise UserError(
                    f"another process has held the ledger {place} for long; try again, or "  # noqa: S608
                    "find it: SELECT * FROM pg_locks JOIN pg_stat_activity USING (pid)"
                ) from None
            reason = postgres_url.without_password(self._url, str(error.orig))
            raise UserError(
                f"cannot {verb} the ledger {place}: {reason}; "
                "check that the server runs and that CONCORD_DATABASE_URL names it, a database, "
                "and a user who may create a table there"
            ) from None

    @cached_property
    def _engine(self) -> Engine:
        try:  # libpq reads the URL, not SQLAlchemy: both know forms that the other does not
            return create_engine(
                "postgresql+psycopg://",
                creator=lambda: postgres_url.connect(self._url),
                poolclass=NullPool,
                use_native_hstore=False,
            )
        except ImportError as error:
            raise UsageError(
                "CONCORD_DATABASE_URL names a PostgreSQL database and psycopg is not installed; "
                "pip install 'concord[postgres]'"
            ) from error


Database = SqliteFile | PostgresServer


def open_database(place: Path | str) -> Database:
    """The database at a path or a PostgreSQL URL; nothing is opened or made yet."""
    return PostgresServer(place) if isinstance(place, str) else SqliteFile(place)


def prepare(connection: Connection, table: Table) -> None:
    """Make a table if there is none, and become its only writer until the transaction ends.

    On SQLite the transaction itself has excluded other writers (``BEGIN IMMEDIATE``).
    """
    postgres = connection.dialect.name == "postgresql"
    if not inspect(connection).has_table(table.name):
        if postgres:  # of several that find none, one makes it
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK + 1})
        table.create(connection, checkfirst=True)
    if postgres:
        connection.execute(text(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE"))


def _sqlite(connect: Callable[[], sqlite3.Connection], begin: str = "BEGIN") -> Engine:
    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    # Python's driver begins transactions by its own rules, unless `isolation_level` is None.
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _wait_at_most(connection: Connection, seconds: float) -> None:
    query = text("SELECT set_config('lock_timeout', :seconds, true)")
    connection.execute(query, {"seconds": f"{seconds:.0f}s"})
