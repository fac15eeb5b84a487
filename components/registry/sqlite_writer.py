"""A connection that writes an SQLite file durably and shares it with other processes."""

import sqlite3
from pathlib import Path
from time import monotonic, sleep

_PAUSE = 0.01  # seconds between two tries


def writer(path: Path, wait: float) -> sqlite3.Connection:
    """Open a file, made if missing, with a write-ahead log that a power cut does not lose.

    One thread at a time may use the connection, and transactions are begun and ended explicitly.

    Args:
        path: the file.
        wait: seconds to wait for others that hold the file.

    Raises:
        sqlite3.Error: the file cannot be written, is no database, or others hold it too long.
    """
    connection = sqlite3.connect(path, timeout=wait, isolation_level=None, check_same_thread=False)
    try:
        _keep_log(connection, monotonic() + wait)
        connection.execute("PRAGMA synchronous = FULL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _keep_log(connection: sqlite3.Connection, until: float) -> None:
    """Of several that open a new file, one turns its log on; SQLite's own wait leaves this out."""
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY  # without its kind
            if not busy or monotonic() > until:
                raise
            sleep(_PAUSE)
        else:
            return
