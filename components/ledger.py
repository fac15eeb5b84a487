"""The append-only record of every look, registration, promotion, refusal and rollback, in one SQLite file.

Every rule that the registry follows can be replayed from here: who was champion when, on what evidence, and who said so.
The file refuses updates and deletions by triggers; one entry, or one list of entries, is one durable transaction.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from components.errors import UserError

Kind = Literal["look", "registration", "promotion", "refusal", "rollback"]
KINDS: tuple[str, ...] = get_args(Kind)

_WAIT = 30.0  # seconds that a writer waits for another one
_COLUMNS = "time, model, kind, version, package_digest, evidence_digest, actor, details"
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
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS entries_are_never_removed BEFORE DELETE ON entries
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
-- `INSERT OR REPLACE` removes a row without the trigger above.
CREATE TRIGGER IF NOT EXISTS entries_are_never_replaced BEFORE INSERT ON entries
    WHEN EXISTS (SELECT 1 FROM entries WHERE seq = NEW.seq)
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
"""  # noqa: S608 - constants of this file


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the ledger.

    ``version`` and ``package_digest`` name the version that the entry speaks of: registered, looked at, refused, or, for a
    ``promotion`` and a ``rollback``, the one that is champion from then on.
    """

    time: str
    """UTC, ISO 8601; given by the caller, the ledger has no clock."""
    model: str
    kind: Kind
    version: int | None = None
    package_digest: str | None = None
    evidence_digest: str | None = None
    actor: str
    details: dict[str, Any] = field(default_factory=dict)
    seq: int = 0
    """Place in the ledger from 1; 0 as long as it is not written."""


class Ledger:
    """Reads and appends entries; any number of processes may do both at once.

    A missing file reads as empty, and reading never makes one.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    def append(self, *entries: Entry) -> list[Entry]:
        """Write entries in one transaction and return them with their ``seq``.

        Raises:
            UserError: the file cannot be written (read-only, disk full), is not a ledger, or others hold it too long.
        """
        for entry in entries:
            _check(entry)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=_WAIT, isolation_level=None)) as connection:
                _prepare(connection)
                connection.execute("BEGIN IMMEDIATE")
                written = [Entry(**{**vars(e), "seq": _insert(connection, e)}) for e in entries]
                connection.execute("COMMIT")
                return written
        except (OSError, sqlite3.Error) as error:
            raise self._refusal("write", error) from error

    def entries(self, model: str | None = None, kind: Kind | None = None) -> list[Entry]:
        """Entries in the order they were written, of one model and of one kind where given.

        Raises:
            UserError: the file is not a ledger or cannot be read.
        """
        query = (
            f"SELECT {_COLUMNS}, seq FROM entries WHERE (?1 IS NULL OR model = ?1) AND (?2 IS NULL OR kind = ?2) "  # noqa: S608
            "ORDER BY seq"
        )
        try:
            with self._reading() as connection:
                rows = connection.execute(query, (model, kind)).fetchall() if connection else []
        except (OSError, sqlite3.Error) as error:
            raise self._refusal("read", error) from error
        names = [*_COLUMNS.split(", "), "seq"]
        return [Entry(**{**dict(zip(names, row, strict=True)), "details": json.loads(row[7])}) for row in rows]

    def decided(self, model: str, evidence_digest: str) -> Entry | None:
        """The last promotion or refusal that rests on this evidence."""
        found = [e for e in self.entries(model) if e.kind in ("promotion", "refusal") and e.evidence_digest == evidence_digest]
        return found[-1] if found else None

    def rolled_back(self, model: str) -> set[str]:
        """Package digests that a person rolled back and nobody has promoted since."""
        digests: set[str] = set()
        for entry in self.entries(model):
            if entry.kind == "rollback":
                digests.add(entry.details["from_package_digest"])
            elif entry.kind == "promotion" and entry.package_digest is not None:
                digests.discard(entry.package_digest)
        return digests

    def looks(self, model: str) -> int:
        """How many times a challenger's figures on held-out rows were looked at."""
        return len(self.entries(model, "look"))

    def succession(self, model: str) -> list[Entry]:
        """The promotions that led to today's champion: oldest first, champion last, rolled back ones taken out."""
        stack: list[Entry] = []
        for entry in self.entries(model):
            if entry.kind == "promotion":
                stack.append(entry)
            elif entry.kind == "rollback" and stack:
                stack.pop()
        return stack

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


def _check(entry: Entry) -> None:
    """Refuse an entry that could not be replayed.

    Raises:
        ValueError: unknown kind, or what its kind needs is missing (a mistake of the caller).
    """
    if entry.kind not in KINDS:
        raise ValueError(f"kind: got {entry.kind!r}, wanted one of {KINDS}")
    if entry.kind in ("promotion", "rollback") and (entry.version is None or entry.package_digest is None):
        raise ValueError(f"a {entry.kind} must name version and package_digest of the champion from now on")
    if entry.kind == "rollback" and not isinstance(entry.details.get("from_package_digest"), str):
        raise ValueError("a rollback must name details['from_package_digest']")


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # an entry that was reported survives a power cut
    if not _has_table(connection):
        connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")


def _has_table(connection: sqlite3.Connection) -> bool:
    query = "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND name = 'entries_are_never_replaced'"
    return bool(connection.execute(query).fetchone()[0])


def _insert(connection: sqlite3.Connection, entry: Entry) -> int:
    details = json.dumps(entry.details, sort_keys=True, ensure_ascii=False)
    values = (
        entry.time, entry.model, entry.kind, entry.version, entry.package_digest, entry.evidence_digest, entry.actor, details,
    )  # fmt: skip
    cursor = connection.execute(f"INSERT INTO entries ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)  # noqa: S608
    assert cursor.lastrowid is not None
    return cursor.lastrowid
