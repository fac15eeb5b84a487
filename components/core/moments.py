"""Moments in time: what a cell or a request says, as seconds since 1970-01-01 UTC.

Source: RFC 3339; a text without an offset is taken as UTC, and a date alone as its first moment.
"""

from datetime import UTC, date, datetime, time

from components.core.values import is_empty, plain

WANTED = "a time such as 2026-01-31T09:30:00Z"


def seconds_of(value: object) -> float | None:
    """Seconds since 1970 of a text, a date or a time; None of an empty cell.

    >>> seconds_of("1970-01-02T01:00:00+01:00"), seconds_of("1970-01-02"), seconds_of(" ")
    (86400.0, 86400.0, None)

    Raises:
        ValueError: not a moment in time.
    """
    if is_empty(value):
        return None
    value = plain(value)
    if isinstance(value, str):
        value = datetime.fromisoformat(value.strip())
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        raise ValueError(f"a {type(value).__name__}")
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()


def written(seconds: float) -> str:
    """The moment as text, in UTC.

    >>> written(86400.5)
    '1970-01-02T00:00:00.500000Z'
    """
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
