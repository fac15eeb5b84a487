"""The database of the registry: an SQLite file on one machine, or a team's PostgreSQL.

Its tables are in `METADATA`.
"""

from pathlib import Path

from sqlalchemy import Connection, MetaData, Table, inspect, text

from components.registry.postgres_server import LOCK, PostgresServer
from components.registry.sqlite_file import SqliteFile

METADATA = MetaData()

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
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK + 1})
        table.create(connection, checkfirst=True)
    if postgres:
        connection.execute(text(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE"))
