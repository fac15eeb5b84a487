"""The front: what every request meets before the application of the unit that answers it.

Health, metrics, tokens, bodies within limits, deadlines, clients that go away, overload. A plain
ASGI application, which holds no more than it must: a body is read before it counts as a request
that waits, so that slow clients hold up nobody.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response

from serving.defaults import ANSWER_SECONDS
from serving.http import refusals
from serving.http.headers import safe
from serving.http.reading import SMALL, Bodies, Crowded, Gone, TooLarge, TooSlow, check_shape
from serving.http.tokens import Denied, Guard
from serving.live.answers import NotLive
from serving.live.batching import Full
from serving.live.live import Live
from serving.live.shadow import Record, Shadow
from serving.live.shared import Shared
from serving.live.unit import Unit

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

_QUESTIONS = frozenset({"/v1/classify", "/v1/embed", "/v1/search"})
_PATHS = ("/v1/classify", "/v1/embed", "/v1/search", "/v1/records", "/v1/feedback", "/v1/review",
          "/v1/model", "/docs", "/openapi.json")  # fmt: skip
_BODIES = 256 << 20  # bytes of all bodies in memory at once


class Front:
    """The service as one ASGI application.

    Args:
        live: the units that answer.
        shared: what they share.
        guard: decides who may ask; None: everybody.
        record: keeps what a champion and a shadow answered.
    """

    def __init__(
        self,
        live: Live,
        shared: Shared,
        guard: Guard | None = None,
        record: Record = lambda **_: None,
    ) -> None:
        self.live, self.shared, self._guard = live, shared, guard
        self._shadow = Shadow(record)
        self._bodies = Bodies(_BODIES)

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close"})
            return
        begun, status, send = perf_counter(), [499], safe(scope, send)

        async def counted(message: "Message") -> None:
            if message["type"] == "http.response.start":
                status[0] = message["status"]
                if self.live.ending:
                    message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        try:
            await self._answer(scope, receive, counted)
        except Gone:
            pass
        finally:
            path = next((p for p in _PATHS if scope["path"].startswith(p)), "other")
            self.shared.metrics.requests.labels(path, str(status[0])).inc()
            self.shared.metrics.seconds.labels(path).observe(perf_counter() - begun)

    async def _answer(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        headers = dict(scope["headers"])
        if b"content-length" in headers and b"transfer-encoding" in headers:
            await refusals.ambiguous()(scope, receive, send)
            return
        if self._guard is not None:
            caller = self._guard.check(scope)
            if isinstance(caller, Denied):
                self.shared.metrics.denied.labels(str(caller.status)).inc()
                await refusals.denied(caller)(scope, receive, send)
                return
            scope.setdefault("state", {})["caller"] = caller
        if (own := self._own(scope["path"])) is not None:
            await own(scope, receive, send)
            return
        try:
            unit = self.live.any()
            if scope["path"] in _QUESTIONS and unit.full:
                raise Full
            length = headers.get(b"content-length", b"")
            declared = int(length) if length.isdigit() else None
            most = unit.limits.max_request_bytes
            async with self._bodies.read(receive, declared, most) as body:
                if not headers.get(b"content-type", b"").startswith(b"multipart/"):
                    await _checked(body, unit.limits.max_parts)
                key, version = _key(scope, headers), _text(headers, b"x-concord-version")
                with self.live.lease(key, version) as unit:
                    await self._by(unit, scope, body, receive, send)
        except (TooLarge, TooSlow, Crowded, Full, NotLive) as error:
            await refusals.of(error)(scope, receive, send)

    async def _by(
        self, unit: Unit, scope: "Scope", body: bytes, receive: "Receive", send: "Send"
    ) -> None:
        """Let a unit answer; a shadow perhaps answers the same request after it."""
        copy = None
        if (beside := self.live.shadow) is not None and scope["path"] in _QUESTIONS:
            copy = self._shadow.copy(beside, scope, body)
        hearing = send if copy is None else copy.hearing(send)
        await self._within(unit.app, scope, body, receive, hearing)
        if copy is not None and beside is not None:
            self._shadow.ask(beside, unit.ref.package_digest, copy)

    async def _within(
        self, app: Callable[..., Awaitable[None]], scope: "Scope", body: bytes,
        receive: "Receive", send: "Send",
    ) -> None:  # fmt: skip
        """Let an application answer before the deadline, and while its client is there."""
        begun, task = [False], asyncio.current_task()
        assert task is not None

        async def begins(message: "Message") -> None:
            begun[0] = True
            await send(message)

        async def gone() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            task.cancel("gone")

        watch = asyncio.create_task(gone())
        try:
            async with asyncio.timeout(_seconds(dict(scope["headers"]))):
                await app(scope, _once(body), begins)
        except TimeoutError:
            if not begun[0]:
                await refusals.late()(scope, receive, send)
        except asyncio.CancelledError:
            if not watch.done():
                raise
            task.uncancel()
            raise Gone from None
        finally:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch

    def _own(self, path: str) -> Response | None:
        """Health and metrics, which need no model."""
        if path == "/livez":
            return JSONResponse({"status": "alive"})
        if path == "/readyz":
            unit = self.live.current
            if self.live.ending:
                return JSONResponse({"status": "ending"}, 503)
            if unit is None:
                return JSONResponse({"status": "loading"}, 503, headers={"Retry-After": "1"})
            return JSONResponse(
                {"status": "ready", "refused": self.live.refused, **unit.ref.model_dump()}
            )
        if path == "/metrics":
            return Response(self.shared.metrics.text(), media_type="text/plain; version=0.0.4")
        return None


def _once(body: bytes) -> "Receive":
    """A body that was read, as an application receives it."""
    sent = False

    async def receive() -> "Message":
        nonlocal sent
        if sent:
            await asyncio.Event().wait()  # the front sees the client go
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _checked(body: bytes, most: int) -> None:
    """Check the shape of a body; of a large one in a thread.

    Raises:
        TooLarge: it has too many parts, or they nest too deeply.
    """
    if len(body) <= SMALL:
        check_shape(body, most)
    else:
        await asyncio.to_thread(check_shape, body, most)


def _seconds(headers: dict[bytes, bytes]) -> float:
    """Time for an answer: as a client asks, within the service's own limit."""
    asked = headers.get(b"x-concord-deadline-ms", b"")
    own = int(asked) / 1000 if asked.isdigit() and len(asked) < 9 else ANSWER_SECONDS
    return min(ANSWER_SECONDS, own)


def _key(scope: "Scope", headers: dict[bytes, bytes]) -> str:
    """Who asks: one key sees one version."""
    given = headers.get(b"x-concord-key") or headers.get(b"authorization")
    return given.decode("latin-1") if given else str((scope.get("client") or ("",))[0])


def _text(headers: dict[bytes, bytes], name: bytes) -> str | None:
    value = headers.get(name)
    return None if value is None else value.decode("latin-1")


async def _lifespan(receive: "Receive", send: "Send") -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
