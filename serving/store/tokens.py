"""Bearer tokens: who may ask for what. The store has the digest of a token, never the token."""

import hashlib
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import time
from typing import Any

from sqlalchemy import Column, Float, Integer, Table, Text, insert, select, update
from sqlalchemy.exc import IntegrityError

from components.core.errors import UsageError, UserError, one_of, unknown_name
from serving.store.database import METADATA, Database, Schema

SCOPES = ("predict", "write", "feedback", "admin")
"""``predict``: everything that only reads; ``write``: the records of the index; ``feedback``:
labels and judgements; ``admin``: metrics from other machines, and the control of versions."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_PREFIX = "concord_"  # so that scanners of code and logs find one that was left there
_BYTES = 32
_DAY = 86_400

_TOKENS = Table(
    "concord_tokens",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("digest", Text, nullable=False, unique=True),
    Column("scopes", Text, nullable=False),
    Column("per_minute", Integer),
    Column("created", Float(53), nullable=False),
    Column("expires", Float(53)),
    Column("revoked", Float(53)),
)
_SCHEMA = Schema(name="tokens", version=1, tables=(_TOKENS,))


@dataclass(frozen=True, kw_only=True)
class Token:
    """What is known of a token; times are seconds since 1970."""

    name: str
    digest: str
    """SHA-256 in hexadecimal. A token has 256 random bits, so that nobody can guess it from there,
    and it needs no salt and no slow hash."""
    scopes: tuple[str, ...]
    per_minute: int | None
    """Requests a minute; None: any number."""
    created: float
    expires: float | None
    revoked: float | None

    def valid(self, now: float) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked is None and (self.expires is None or now < self.expires)


def digest_of(token: str) -> str:
    """What the store has of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class Tokens:
    """The tokens in a store.

    Args:
        database: the store.
        clock: seconds since 1970.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time) -> None:
        self._database, self._clock = database, clock

    def new(
        self,
        name: str,
        scopes: Sequence[str],
        *,
        per_minute: int | None = None,
        days: int | None = None,
    ) -> str:
        """Make a token, which nobody can read again.

        Args:
            name: what listings and the answer log call it; never used twice.
            scopes: some of `SCOPES`.
            per_minute: requests that it may make in a minute.
            days: when it expires; by default never.

        Raises:
            UsageError: a wrong name or scope.
            UserError: the name was used before, or the store cannot be written.
        """
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"name of a token: got {name!r}, wanted at most 63 lower case letters, digits, "
                "dots, dashes and underscores"
            )
        if not scopes:
            raise UsageError(f"scope: got none, wanted some of {', '.join(SCOPES)}")
        for scope in scopes:
            if scope not in SCOPES:
                raise UsageError(f"scope: got {scope!r}, wanted {one_of(scope, SCOPES)}")
        token, now = _PREFIX + secrets.token_urlsafe(_BYTES), self._clock()
        row = {
            "name": name,
            "digest": digest_of(token),
            "scopes": " ".join(scope for scope in SCOPES if scope in scopes),
            "per_minute": per_minute,
            "created": now,
            "expires": None if days is None else now + days * _DAY,
        }
        with self._database.writing(_SCHEMA) as connection:
            try:
                with connection.begin_nested():
                    connection.execute(insert(_TOKENS).values(row))
            except IntegrityError:
                raise UserError(
                    f"a token named {name!r} exists, or did; choose another name, so that what was "
                    "asked with each stays apart"
                ) from None
        return token

    def all(self) -> list[Token]:
        """Every token that was made, oldest first.

        Raises:
            UserError: the store cannot be read.
        """
        with self._database.reading(_SCHEMA) as connection:
            rows = connection.execute(select(_TOKENS).order_by(_TOKENS.c.created, _TOKENS.c.name))
            return [_token(dict(row)) for row in rows.mappings()]

    def valid(self) -> dict[str, Token]:
        """The tokens that work now, by digest.

        Raises:
            UserError: the store cannot be read.
        """
        now = self._clock()
        return {token.digest: token for token in self.all() if token.valid(now)}

    def revoke(self, name: str) -> None:
        """End a token; repeating it changes nothing.

        Raises:
            UserError: no token has this name, or the store cannot be written.
        """
        with self._database.writing(_SCHEMA) as connection:
            names = connection.execute(select(_TOKENS.c.name)).scalars().all()
            if name not in names:
                raise UserError(
                    f"{unknown_name('token', name, names)}; `concord token list` shows them"
                )
            ended = update(_TOKENS).where(_TOKENS.c.name == name, _TOKENS.c.revoked.is_(None))
            connection.execute(ended.values(revoked=self._clock()))


def _token(row: dict[str, Any]) -> Token:
    return Token(**{**row, "scopes": tuple(row["scopes"].split())})
