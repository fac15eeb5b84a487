"""Tables of the registry in a team's PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from components.core.errors import UsageError, UserError
from components.registry import postgres_url

_WAIT = 30.0  # seconds that a writer waits for another one
LOCK = int.from_bytes(b"concord", "big")  # PostgreSQL's advisory locks are numbers
_LOCK_NOT_AVAILABLE = "55P03"  # SQLSTATE
_DURABLE = (  # an entry that was reported survives a power cut
    "SELECT set_config('synchronous_commit', 'on', true) "
    "WHERE current_setting('synchronous_commit') = 'off'"
)


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
                connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": LOCK})
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
                    f"another process has held the ledger {place} for a long time; try again, or "  # noqa: S608
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


def _wait_at_most(connection: Connection, seconds: float) -> None:
    query = text("SELECT set_config('lock_timeout', :seconds, true)")
    connection.execute(query, {"seconds": f"{seconds:.0f}s"})
