"""The ledger in a table of a team's PostgreSQL, which refuses updates, deletions and truncation by triggers.

It lies in the schema that the connection's ``search_path`` names first, so that one database may hold it beside others' tables.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, LiteralString

from components.core.errors import UsageError, UserError
from components.registry.ledger_entry import KINDS, REFUSED

if TYPE_CHECKING:
    from psycopg import Connection

_WAIT = 30.0  # seconds that a writer waits for another one
_CONNECT_SECONDS, _KEEPALIVE_SECONDS = 10, 30
_LOCK = int.from_bytes(b"concord", "big")  # the advisory lock of decisions; such locks are numbers
_NAMES: LiteralString = "time, model, kind, version, package_digest, evidence_digest, actor, details"  # ledger_entry.COLUMNS
_INSERT: LiteralString = (
    f"INSERT INTO concord_ledger (seq, {_NAMES}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"  # noqa: S608
)
_SELECT: LiteralString = (
    f"SELECT {_NAMES}, seq FROM concord_ledger WHERE (%(model)s::text IS NULL OR model = %(model)s) "  # noqa: S608
    "AND (%(kind)s::text IS NULL OR kind = %(kind)s) ORDER BY seq"
)
_DURABLE = (  # an entry that was reported survives a power cut
    "SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'"
)
_KINDS = ", ".join(f"'{kind}'" for kind in KINDS)
_SCHEMA = f"""
CREATE TABLE concord_ledger (
    seq BIGINT PRIMARY KEY,
    time TEXT NOT NULL,
    model TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ({_KINDS})),
    version BIGINT,
    package_digest TEXT,
    evidence_digest TEXT,
    actor TEXT NOT NULL,
    details TEXT NOT NULL
);
CREATE INDEX ON concord_ledger (model, kind, seq);
CREATE FUNCTION concord_ledger_refuses() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION '{REFUSED}' USING ERRCODE = 'integrity_constraint_violation'; END $$;
CREATE TRIGGER entries_are_never_changed BEFORE UPDATE OR DELETE ON concord_ledger
    FOR EACH ROW EXECUTE FUNCTION concord_ledger_refuses();
CREATE TRIGGER entries_are_never_removed BEFORE TRUNCATE ON concord_ledger
    FOR EACH STATEMENT EXECUTE FUNCTION concord_ledger_refuses();
"""


class PostgresStore:
    """Rows of the ledger in a database; a missing table has none, and reading never makes one."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._held: Connection | None = None

    def append(self, rows: Sequence[Sequence[object]]) -> list[int]:
        """Write rows in one durable transaction and return their places.

        Raises:
            UserError: the database does not answer or refuses, or others hold the ledger too long.
        """
        with self._connected("write") as connection, connection.transaction():
            _wait_at_most(connection, _WAIT)
            connection.execute(_DURABLE)
            _prepare(connection)
            # One writer at a time: places have no gaps, and no later entry can be seen before an earlier one.
            connection.execute("LOCK TABLE concord_ledger IN SHARE ROW EXCLUSIVE MODE")
            last = _number(connection, "SELECT coalesce(max(seq), 0) FROM concord_ledger")
            for place, row in enumerate(rows, last + 1):
                connection.execute(_INSERT, (place, *row))
            return list(range(last + 1, last + 1 + len(rows)))

    def read(self, model: str | None, kind: str | None) -> list[tuple[Any, ...]]:
        """Rows with their places, in the order they were written.

        Raises:
            UserError: the database does not answer or refuses.
        """
        with self._connected("read") as connection:
            return (
                connection.execute(_SELECT, {"model": model, "kind": kind}).fetchall()
                if _has_table(connection)
                else []
            )

    @contextmanager
    def alone(self, wait: float) -> Iterator["PostgresStore"]:
        """Hold the one lock of decisions; the server frees it when its holder's connection ends.

        What is appended through the store that this gives goes over the connection that holds the lock: who has lost the lock
        without knowing it cannot write.

        Raises:
            UserError: the database does not answer, or another process holds the lock longer than ``wait`` seconds.
        """
        with self._connected("lock") as connection:
            with connection.transaction():
                _wait_at_most(connection, wait)
                connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
            held = PostgresStore(self._url)
            held._held = connection
            yield held

    @contextmanager
    def _connected(self, verb: str) -> "Iterator[Connection]":
        """The connection that holds the lock, else a new one; what the database refuses becomes one clear sentence."""
        psycopg = _psycopg()
        try:
            if self._held is not None:
                yield self._held
                return
            with psycopg.connect(self._url, autocommit=True, **self._options()) as connection:
                yield connection
        except psycopg.errors.LockNotAvailable:
            raise UserError(
                f"another process has held the ledger {self._place()} for long; try again, or find it: "  # noqa: S608
                "SELECT * FROM pg_locks JOIN pg_stat_activity USING (pid)"
            ) from None
        except psycopg.Error as error:  # not chained: it may hold the URL, with its password
            raise UserError(
                f"cannot {verb} the ledger {self._place()}: {self._without_password(str(error))}; "
                "see that the server runs and CONCORD_DATABASE_URL names it, a database and a user who may make a table there"
            ) from None

    def _options(self) -> dict[str, Any]:
        given = self._parts()
        wanted = {
            "connect_timeout": _CONNECT_SECONDS,
            "keepalives_idle": _KEEPALIVE_SECONDS,
            "application_name": "concord",
        }
        return {name: value for name, value in wanted.items() if name not in given}

    def _parts(self) -> dict[str, Any]:
        from psycopg import ProgrammingError
        from psycopg.conninfo import conninfo_to_dict

        try:
            return conninfo_to_dict(self._url)
        except ProgrammingError:  # its message holds the whole URL, the password too
            raise UsageError(
                "CONCORD_DATABASE_URL cannot be read; wanted postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with %-escapes for "
                "letters such as @ : / in a password"
            ) from None

    def _place(self) -> str:
        parts = self._parts()
        return f"postgresql://{parts.get('host', '')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"

    def _without_password(self, text: str) -> str:
        password = self._parts().get("password")
        return (text.replace(str(password), "...") if password else text).strip().replace("\n", " ")


def _psycopg() -> Any:  # noqa: ANN401 - a module
    try:
        import psycopg
    except ImportError as error:
        raise UsageError(
            "CONCORD_DATABASE_URL asks for PostgreSQL and psycopg is not installed; pip install 'concord[postgres]'"
        ) from error
    return psycopg


def _prepare(connection: "Connection") -> None:
    """Make the table if there is none; of several that find none, one does."""
    if not _has_table(connection):
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK + 1,))
        if not _has_table(connection):
            connection.execute(_SCHEMA)


def _has_table(connection: "Connection") -> bool:
    # Opening pg_class makes the session forget what it remembers of missing tables; `to_regclass` alone would answer from that.
    return bool(
        _number(
            connection, "SELECT count(*) FROM pg_class WHERE oid = to_regclass('concord_ledger')"
        )
    )


def _wait_at_most(connection: "Connection", seconds: float) -> None:
    connection.execute("SELECT set_config('lock_timeout', %s, true)", (f"{seconds:.0f}s",))


def _number(connection: "Connection", query: LiteralString) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])
