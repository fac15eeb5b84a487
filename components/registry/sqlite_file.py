"""Tables of the registry in an SQLite file, on one machine."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from components.core.errors import UserError
from components.registry.sqlite_writer import writer

_WAIT = 30.0  # seconds that a writer waits for another one


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
            opened = _sqlite(lambda: writer(self._path, _WAIT), "BEGIN IMMEDIATE")
            with opened.begin() as connection:
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

    def _refusal(self, verb: str, error: Exception) -> UserError:
        remedy = {
            "write": "free space there, make it writable, or set CONCORD_HOME to a folder that is",
            "read": "make it readable, or move the damaged file away (a new one is created)",
        }[verb]
        reason = error.orig if isinstance(error, DBAPIError) else error
        return UserError(f"cannot {verb} the ledger {self._path}: {reason}; {remedy}")


def _sqlite(connect: Callable[[], sqlite3.Connection], begin: str = "BEGIN") -> Engine:
    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    # Python's driver begins transactions by its own rules, unless `isolation_level` is None.
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine
