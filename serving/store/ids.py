"""Ids that sort by the time at which they were made."""

import base64
import re
import secrets

_ID = re.compile("[0-9a-v]{26}")


def new_id(seconds: float) -> str:
    """26 digits and small letters: 48 bits of milliseconds since 1970, then 80 random ones.

    Source: the layout of a ULID, written in base32hex (RFC 4648, section 7), which keeps the order.

    >>> new_id(1_000_000_000)[:9], len(new_id(1_000_000_000))
    ('03kd998g0', 26)
    """
    raw = int(seconds * 1000).to_bytes(6) + secrets.token_bytes(10)
    return base64.b32hexencode(raw).decode("ascii").rstrip("=").lower()


def made_at(id_: str) -> float | None:
    """Seconds since 1970 at which an id was made; None if it is not one.

    >>> made_at(new_id(1_000_000_000)), made_at("x")
    (1000000000.0, None)
    """
    if not _ID.fullmatch(id_):
        return None
    raw = base64.b32hexdecode(id_.upper() + "=" * (-len(id_) % 8))
    return int.from_bytes(raw[:6]) / 1000
