"""The ledger in one SQLite file, which refuses updates and deletions by triggers."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from components.core.errors import UserError
from components.registry.ledger_entry import COLUMNS, KINDS, REFUSED

_WAIT = 30.0  # seconds that a writer waits for another one
_NAMES = ", ".join(COLUMNS)
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS entries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    time TEXT NOT NULL,
    model TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ({", ".join(f"'{k}'" for k in KINDS)})),
    version INTEGER,
    package_digest TEXT,
    evidence_digest TEXT,
    actor TEXT NOT NULL,
    details TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS entries_by_model ON entries (model, kind, seq);
CREATE TRIGGER IF NOT EXISTS entries_are_never_changed BEFORE UPDATE ON entries
    BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END;
CREATE TRIGGER IF NOT EXISTS entries_are_never_removed BEFORE DELETE ON entries
    BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END;
-- `INSERT OR REPLACE` removes a row without the trigger above.
CREATE TRIGGER IF NOT EXISTS entries_are_never_replaced BEFORE INSERT ON entries
    WHEN EXISTS (SELECT 1 FROM entries WHERE seq = NEW.seq)
    BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END;
"""  # noqa: S608 - constants of this file


class SqliteStore:
    """Rows of the ledger in a file; a missing file has none, and reading never makes one."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, rows: Sequence[Sequence[object]]) -> list[int]:
        """Write rows in one durable transaction and return their places.

        Raises:
            UserError: the file cannot be written (read-only, disk full), is not a ledger, or others hold it too long.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(
                sqlite3.connect(self.path, timeout=_WAIT, isolation_level=None)
            ) as connection:
                _prepare(connection)
                connection.execute("BEGIN IMMEDIATE")
                places = [_insert(connection, row) for row in rows]
                connection.execute("COMMIT")
                return places
        except (OSError, sqlite3.Error) as error:
            raise self._refusal("write", error) from error

    def read(self, model: str | None, kind: str | None) -> list[tuple[Any, ...]]:
        """Rows with their places, in the order they were written.

        Raises:
            UserError: the file is not a ledger or cannot be read.
        """
        query = (
            f"SELECT {_NAMES}, seq FROM entries WHERE (?1 IS NULL OR model = ?1) AND (?2 IS NULL OR kind = ?2) "  # noqa: S608
            "ORDER BY seq"
        )
        try:
            with self._reading() as connection:
                return connection.execute(query, (model, kind)).fetchall() if connection else []
        except (OSError, sqlite3.Error) as error:
            raise self._refusal("read", error) from error

    @contextmanager
    def alone(self, wait: float) -> Iterator["SqliteStore"]:
        """Hold the one lock of decisions; the system frees it when its holder dies.

        Raises:
            UserError: the folder cannot be written, or another process holds the lock longer than ``wait`` seconds.
        """
        folder = self.path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / "promotion.lock", timeout=wait)
            lock.acquire()
        except Timeout as error:
            raise UserError(
                f"another process has held {folder / 'promotion.lock'} for {wait:.0f} s; `concord runs` lists what is running"
            ) from error
        except OSError as error:
            raise UserError(
                f"state folder {folder} cannot be written ({error.strerror}); make it writable, or set CONCORD_HOME to another"
            ) from error
        try:
            yield self
        finally:
            lock.release()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        if not self.path.is_file() or self.path.stat().st_size == 0:
            yield None
            return
        uri = self.path.absolute().as_uri()
        # `rw` never makes the file, and the last reader takes SQLite's own two files away again, which `ro` cannot.
        with closing(sqlite3.connect(f"{uri}?mode=rw", uri=True, timeout=_WAIT)) as connection:
            try:
                exists = _has_table(connection)
            except sqlite3.OperationalError:
                exists = None
            if exists is not None:
                yield connection if exists else None
                return
        # In a folder that we may not write SQLite cannot share a write-ahead log; the file is read as it lies.
        with closing(sqlite3.connect(f"{uri}?immutable=1", uri=True)) as connection:
            yield connection if _has_table(connection) else None

    def _refusal(self, verb: str, error: Exception) -> UserError:
        remedy = {
            "write": "free space there, make it writable, or set CONCORD_HOME to a folder that is",
            "read": "make it readable, or move the damaged file away (a new one is begun)",
        }[verb]
        return UserError(f"cannot {verb} the ledger {self.path}: {error}; {remedy}")


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(
        "PRAGMA synchronous = FULL"
    )  # an entry that was reported survives a power cut
    if not _has_table(connection):
        connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")


def _has_table(connection: sqlite3.Connection) -> bool:
    query = "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND name = 'entries_are_never_replaced'"
    return bool(connection.execute(query).fetchone()[0])


def _insert(connection: sqlite3.Connection, row: Sequence[object]) -> int:
    marks = ", ".join("?" for _ in COLUMNS)
    cursor = connection.execute(f"INSERT INTO entries ({_NAMES}) VALUES ({marks})", tuple(row))  # noqa: S608
    assert cursor.lastrowid is not None
    return cursor.lastrowid
