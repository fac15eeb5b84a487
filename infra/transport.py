"""Requests that survive throttling, restarts of the API server, expired tokens and cut answers."""

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NoReturn, Protocol

import urllib3

from components.core.errors import UserError
from components.core.progress import Say

Json = dict[str, Any]
Query = Mapping[str, str | int]

CONNECT_S, READ_S = 5.0, 15.0
PATIENCE_S = 30.0
"""Seconds for which credentials that worked may be refused, as while a token is renewed."""
_BROKEN = (urllib3.exceptions.HTTPError, OSError, ValueError)
_TOO_MANY, _GONE, _UNAUTHORIZED, _FORBIDDEN, _SERVER = 429, 410, 401, 403, 500


class Send(Protocol):
    """One authenticated request; the body of the answer is not read yet."""

    def __call__(
        self,
        method: str,
        path: str,
        *,
        query: Query,
        body: Json | None,
        timeout: tuple[float, float],
    ) -> urllib3.BaseHTTPResponse:
        """Send it."""
        ...


class ApiError(Exception):
    """An answer that another try would not change."""

    def __init__(self, status: int, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.status, self.message, self.reason = status, message, reason


class Broken(Exception):
    """A stream that ended other than by its own time-out."""


class Unreachable(UserError):
    """The cluster did not answer for the whole budget; what runs there keeps running."""


class Transport:
    """Sends requests, and repeats them where that can help.

    Args:
        connect: loads the credentials and returns a way to send; called again when they are
            refused.
        say: receives a message when the cluster has not answered for some seconds.
        budget_s: how long one request is repeated.
    """

    def __init__(self, connect: Callable[[], Send], *, say: Say, budget_s: float = 180.0) -> None:
        self._connect, self._say, self._budget = connect, say, budget_s
        self._send = connect()
        self._worked = False
        self.requests = 0
        """Requests sent so far, streams included."""

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Json | None = None,
        patient: bool = True,
    ) -> Json:
        """One request and its answer as JSON.

        Args:
            method: HTTP method.
            path: below the server's address.
            query: parameters.
            body: sent as JSON.
            patient: retry for a while where rights are refused after the credentials have worked.

        Raises:
            ApiError: an answer that stays.
            Unreachable: no answer within the budget.
        """
        start, pause, said = time.monotonic(), 0.2, False
        while True:
            wait, problem, limit, refused = pause, "", self._budget, 0
            try:
                with self._sent(method, path, query or {}, body, (CONNECT_S, READ_S)) as response:
                    answer = response.data
                    if response.status < 300:
                        self._worked = True
                        return dict(json.loads(answer))
                    problem = f"{response.status} {_message(answer)}"
                    refused = (
                        response.status if response.status in (_UNAUTHORIZED, _FORBIDDEN) else 0
                    )
                    # A quota refuses with the same status, and no right comes later.
                    limit = self._limit(
                        response.status, patient and b"exceeded quota" not in answer
                    )
                    if not limit:
                        refuse(response.status, answer)
                    wait = max(pause, _retry_after(response))
            except _BROKEN as error:
                problem = f"{type(error).__name__}: {error}"
            waited = time.monotonic() - start
            if waited + wait > limit:
                if refused:  # the server has answered, and the answer stays
                    refuse(refused, answer)
                raise Unreachable(
                    f"the cluster did not answer {method} {path} for {waited:.0f} s "
                    f"(last: {problem}); its Jobs keep running: check address and credentials of "
                    "the kubeconfig, then run the same command again to resume"
                )
            if waited > 5 and not said:
                said = True
                self._say(
                    f"the cluster has not answered for {waited:.0f} s ({problem[:200]}); "
                    f"trying for up to {limit:.0f} s"
                )
            time.sleep(wait * random.uniform(0.7, 1.3))  # noqa: S311  # spreads clients
            pause = min(pause * 1.6, 3.0)

    def lines(
        self,
        path: str,
        query: Query,
        *,
        idle_s: float,
        opened: Callable[[urllib3.BaseHTTPResponse], None] | None = None,
    ) -> Iterator[bytes]:
        """The lines of a stream as they arrive; the caller reopens it.

        Args:
            path: below the server's address.
            query: parameters.
            idle_s: seconds without data after which a stream counts as broken.
            opened: receives the response, to shut it down from elsewhere.

        Raises:
            ApiError: refused.
            Broken: ended by anything but the server's own end of the stream.
        """
        try:
            with self._sent("GET", path, query, None, (CONNECT_S, idle_s)) as response:
                if response.status >= 300:
                    if response.status == _UNAUTHORIZED:
                        self._renew()
                    refuse(response.status, response.data)
                if opened:
                    opened(response)
                yield from _split(response)
        except _BROKEN as error:
            raise Broken(f"{type(error).__name__}: {error}") from error

    def _limit(self, status: int, patient: bool) -> float:
        """How long a request with this answer is repeated; 0: not at all."""
        if status == _UNAUTHORIZED:
            self._renew()
            return PATIENCE_S
        if status == _FORBIDDEN and patient and self._worked:
            return PATIENCE_S / 3
        return self._budget if status in (_TOO_MANY, _GONE) or status >= _SERVER else 0.0

    def _renew(self) -> None:
        # A kubeconfig may be half written; then the old credentials are used once more.
        with suppress(UserError):
            self._send = self._connect()

    @contextmanager
    def _sent(
        self, method: str, path: str, query: Query, body: Json | None, timeout: tuple[float, float]
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        self.requests += 1
        response = self._send(method, path, query=query, body=body, timeout=timeout)
        try:
            yield response
        finally:
            response.close()
            response.release_conn()


def refuse(status: int, answer: bytes) -> NoReturn:
    """Raise the error of an answer.

    Raises:
        ApiError: always.
    """
    try:
        tree = json.loads(answer)
    except ValueError:
        tree = {}
    raise ApiError(
        status, _message(answer), str(tree.get("reason", "")) if isinstance(tree, dict) else ""
    )


def _message(answer: bytes) -> str:
    try:
        tree = json.loads(answer)
    except ValueError:
        tree = None
    return (
        str(tree["message"])
        if isinstance(tree, dict) and "message" in tree
        else answer.decode(errors="replace")[:300].strip()
    )


def _retry_after(response: urllib3.BaseHTTPResponse) -> float:
    value = response.headers.get("Retry-After", "")
    return min(float(value), 30.0) if value.isdigit() else 0.0


def _split(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    rest = b""
    for chunk in response.stream(amt=None, decode_content=True):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
    if rest:
        yield rest
