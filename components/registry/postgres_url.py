"""A PostgreSQL URL, which libpq reads: connected to, and shown without its password."""

from typing import TYPE_CHECKING, Any

from components.core.errors import UsageError

if TYPE_CHECKING:
    from psycopg import Connection

_CONNECT_SECONDS, _KEEPALIVE_SECONDS = 10, 30


def connect(url: str) -> "Connection":
    """Open a connection; what the URL itself sets has precedence.

    Raises:
        UsageError: the URL cannot be read.
        psycopg.Error: the server does not answer or refuses.
    """
    import psycopg

    given = _parts(url)
    wanted = {
        "connect_timeout": _CONNECT_SECONDS,
        "keepalives_idle": _KEEPALIVE_SECONDS,
        "application_name": "concord",
    }
    options: dict[str, Any] = {k: v for k, v in wanted.items() if k not in given}
    return psycopg.connect(url, **options)


def place(url: str) -> str:
    """Host, port and database of a URL.

    >>> place("postgresql://ada:secret@db.example:5433/team?sslmode=require")
    'postgresql://db.example:5433/team'
    """
    parts = _parts(url)
    host, port = parts.get("host", ""), parts.get("port", 5432)
    return f"postgresql://{host}:{port}/{parts.get('dbname', '')}"


def without_password(url: str, words: str) -> str:
    """A message of the server in one line, without the password of the URL."""
    password = _parts(url).get("password")
    return (words.replace(str(password), "...") if password else words).strip().replace("\n", " ")


def _parts(url: str) -> dict[str, Any]:
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        return conninfo_to_dict(url)
    except ProgrammingError:  # its message holds the whole URL, the password too
        raise UsageError(
            "CONCORD_DATABASE_URL cannot be read; wanted "
            "postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with %-escapes for characters such as "
            "@ : / in a password"
        ) from None
