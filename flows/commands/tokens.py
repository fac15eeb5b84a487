"""``concord token``."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from time import time
from typing import Any

from components.config import home
from flows.commands.answer import Answer, table
from serving.defaults import URL
from serving.store.database import Database
from serving.store.tokens import Token, Tokens

_NONE = "there are no tokens; `concord token new --name NAME --scope predict` makes one"


def new(name: str, scopes: list[str], *, rate: int | None, days: int | None) -> Answer:
    """Make a token; the answer is the only place that shows it."""
    with _tokens() as tokens:
        token = tokens.new(name, scopes, per_minute=rate, days=days)
    return Answer(
        value={"name": name, "token": token, "scopes": scopes},
        text=f"{token}\n\nKeep it now: it cannot be shown again.",
        then=f'curl -H "Authorization: Bearer TOKEN" {URL}/v1/model',
    )


def list_() -> Answer:
    """All tokens, without themselves."""
    with _tokens() as tokens:
        found = tokens.all()
    now = time()
    rows = [
        [
            t.name,
            " ".join(t.scopes),
            f"{t.per_minute:,} a minute" if t.per_minute else "any number",
            _day(t.created),
            _state(t, now),
        ]
        for t in found
    ]
    text = table(rows, ["name", "scopes", "requests", "made", "state"]) if rows else _NONE
    return Answer(
        value={"tokens": [_told(t, now) for t in found]},
        text=text,
        then="concord token revoke NAME" if rows else "",
    )


def revoke(name: str) -> Answer:
    """End a token."""
    with _tokens() as tokens:
        tokens.revoke(name)
    return Answer(
        value={"name": name, "revoked": True},
        text=f"{name} is revoked; a running service refuses it within 5 seconds",
        then="concord token list",
    )


@contextmanager
def _tokens() -> Iterator[Tokens]:
    with Database(home.served().store) as database:
        yield Tokens(database)


def _told(token: Token, now: float) -> dict[str, Any]:
    return {
        "name": token.name,
        "scopes": list(token.scopes),
        "per_minute": token.per_minute,
        "created": _time(token.created),
        "expires": _time(token.expires),
        "revoked": _time(token.revoked),
        "valid": token.valid(now),
    }


def _state(token: Token, now: float) -> str:
    if token.revoked is not None:
        return f"revoked {_day(token.revoked)}"
    if token.expires is None:
        return "valid"
    return f"{'valid until' if token.valid(now) else 'expired'} {_day(token.expires)}"


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()


def _day(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"
