"""Who may ask what over HTTP: a bearer token and its scopes, or nobody but this machine.

The front asks `Guard.check` before it reads a body. The tokens are read from the store by a thread
every two seconds, so that a request costs no query and a revocation acts within five.
"""

import hmac
import ipaddress
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from time import monotonic, time
from typing import Any

from components.core.errors import UserError
from serving.http.rates import Rates
from serving.store.tokens import SCOPES, Token, digest_of

_READ_SECONDS = 2.0
_STALE_SECONDS = 900.0
"""How long the tokens that were read last are used while the store does not answer."""
_FORWARDED = (b"forwarded", b"x-forwarded-for", b"x-real-ip")


class Access(Enum):
    """Who may ask."""

    LOOPBACK = "loopback"
    """Whoever is on this machine; the service listens on the loopback only."""
    TOKENS = "tokens"
    """Who sends a token."""
    OPEN = "open"
    """Everybody: a proxy in front checks who asks."""


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who asks."""

    name: str | None
    """Name of the token; None without one."""
    scopes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Denied:
    """Why a request is refused before it is read."""

    status: int
    field: str
    got: str
    wanted: str
    headers: Mapping[str, str]


class Guard:
    """Decides who may ask.

    Args:
        access: who may ask at all.
        read: returns the valid tokens by digest; it may take long or raise UserError.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        access: Access,
        read: Callable[[], Mapping[str, Token]],
        clock: Callable[[], float] = time,
    ) -> None:
        self.access = access
        self._read, self._clock = read, clock
        self._tokens: Mapping[str, Token] = {}
        self._read_at: float | None = None
        self._rates = Rates()
        self._ended = threading.Event()

    def start(self) -> None:
        """Read the tokens, and follow those of the store from now on."""
        self.refresh()
        threading.Thread(target=self._follow, name="tokens", daemon=True).start()

    def close(self) -> None:
        """Stop to follow them."""
        self._ended.set()

    def refresh(self) -> None:
        """Read the tokens now; those known stay where the store does not answer."""
        try:
            self._tokens, self._read_at = self._read(), monotonic()
        except UserError:
            return
        if self._tokens:
            self._rates.load()

    def check(self, scope: Mapping[str, Any]) -> Caller | Denied:
        """Who asks, or why nobody answers.

        Args:
            scope: of ASGI: method, path, headers, client.
        """
        needed = scope_of(scope["method"], scope["path"])
        if needed is None or self.access is Access.OPEN:
            return Caller(name=None, scopes=SCOPES)
        headers = dict(scope["headers"])
        if b"authorization" in headers:
            return self._with_token(headers[b"authorization"], needed, _address(scope))
        if self.access is Access.LOOPBACK:
            return _from_here(headers) or Caller(name=None, scopes=SCOPES)
        if scope["path"] == "/metrics" and _is_local(scope, headers):
            return Caller(name=None, scopes=SCOPES)
        return _unknown("no token", "Bearer")

    def _with_token(self, sent: bytes, needed: str, address: str) -> Caller | Denied:
        if self._read_at is None or monotonic() - self._read_at > _STALE_SECONDS:
            return Denied(
                status=503,
                field="header.Authorization",
                got="a token, but the store of tokens does not answer",
                wanted="a retry in 5 seconds",
                headers={"Retry-After": "5"},
            )
        kind, _, text = sent.decode("latin-1").partition(" ")
        digest = digest_of(text.strip())
        token = self._tokens.get(digest)
        if (
            kind.lower() != "bearer"
            or token is None
            or not hmac.compare_digest(token.digest, digest)
            or not token.valid(self._clock())
        ):
            if seconds := self._rates.failed(address):
                return _too_many(seconds, "too many wrong tokens from this address")
            return _unknown("a token that is unknown, expired or revoked", _INVALID)
        if needed not in token.scopes:
            return Denied(
                status=403,
                field="header.Authorization",
                got=f"a token with the scopes {', '.join(token.scopes)}",
                wanted=f"one with the scope {needed}",
                headers={
                    "WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{needed}"'
                },
            )
        if token.per_minute and (seconds := self._rates.asked(token.name, token.per_minute)):
            return _too_many(seconds, f"more than {token.per_minute:,} requests in a minute")
        return Caller(name=token.name, scopes=token.scopes)

    def _follow(self) -> None:
        while not self._ended.wait(_READ_SECONDS):
            self.refresh()


def scope_of(method: str, path: str) -> str | None:
    """The scope that a request needs; None: anybody may ask.

    Health, the page and the description of the interface show nothing of the data.

    >>> scope_of("POST", "/v1/search"), scope_of("PUT", "/v1/records/7"), scope_of("GET", "/livez")
    ('predict', 'write', None)
    """
    if path.rstrip("/") == "/metrics" or path.startswith("/v1/admin"):
        return "admin"
    if not path.startswith("/v1"):
        return None
    if path.startswith("/v1/feedback"):
        return "feedback"
    if path.startswith("/v1/records") and method not in ("GET", "HEAD"):
        return "write"
    return "predict"


_INVALID = 'Bearer error="invalid_token"'


def _unknown(got: str, challenge: str) -> Denied:
    return Denied(
        status=401,
        field="header.Authorization",
        got=got,
        wanted="Bearer TOKEN; `concord token new --name NAME --scope predict` makes a token",
        headers={"WWW-Authenticate": challenge},
    )


def _too_many(seconds: int, got: str) -> Denied:
    return Denied(
        status=429,
        field="header.Authorization",
        got=got,
        wanted=f"a retry in {seconds} seconds",
        headers={"Retry-After": str(seconds)},
    )


def _from_here(headers: Mapping[bytes, bytes]) -> Denied | None:
    """Refuse what a web page of elsewhere makes a browser on this machine send.

    A name of elsewhere that leads to 127.0.0.1 arrives with that name as its host, and a form of
    another page with that page as its origin. A proxy passes the host that it was asked by.
    """
    for name in (b"host", b"origin"):
        value = headers.get(name, b"").decode("latin-1")
        host = value.rpartition("//")[2]
        if value and not is_loopback(host.rpartition(":")[0] if _has_port(host) else host):
            return Denied(
                status=403,
                field=f"header.{name.decode().title()}",
                got="a name of another machine",
                wanted="localhost: the service has no tokens; start it with `--host` and tokens, or"
                " with CONCORD_OPEN=1 behind a proxy that checks who asks",
                headers={},
            )
    return None


def _has_port(host: str) -> bool:
    return host.rpartition(":")[2].isdigit() and (host.count(":") == 1 or "]:" in host)


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this machine's own and reaches no other.

    >>> [is_loopback(h) for h in ("localhost", "127.0.0.1", "::1", "[::1]", "0.0.0.0", "a.example")]
    [True, True, True, True, False, False]
    """
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost" or host.lower().endswith(".localhost")


def _address(scope: Mapping[str, Any]) -> str:
    return str((scope.get("client") or ("",))[0])


def _is_local(scope: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> bool:
    """Whether this machine asks, and no proxy on it that passes on what others ask."""
    return is_loopback(_address(scope)) and not any(name in headers for name in _FORWARDED)
