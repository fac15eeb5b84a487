"""Bodies of requests: read within limits of size, time and shape, and parsed beside the event loop.

A body is limited before anything is parsed: its bytes, the memory of all bodies that are being
read or answered, the seconds that it may take to come, how deeply it nests and how many values it
holds. Otherwise one request could stop all others.
"""

import asyncio
import ctypes
import json
import re
from collections.abc import Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from itertools import chain
from time import monotonic
from typing import TYPE_CHECKING, Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from components.core.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive

SMALL = 1 << 16
"""A body of so many bytes is parsed at once: a thread would cost more."""
MOST_DEPTH = 32
"""Lists and objects within each other; no request needs more than ten."""
_SECONDS = 30.0  # for a whole body, and longer while it comes at the rate below
_RATE = 1 << 17  # bytes in a second
_TRIM = 1 << 25  # bytes of bodies after which free memory is given back
_PATIENCE = 10.0  # seconds that a body waits for others to make room
# Possessive, and the end of the body ends a text too: no input makes it try twice.
_TEXT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_OTHERS = bytes(sorted(set(range(256)) - set(b"[]{},:")))


class TooLarge(BadInput):
    """A body that exceeds a limit."""


class TooSlow(Exception):
    """A body that did not come in time."""


class Gone(Exception):
    """The client went away."""


class Crowded(Exception):
    """Other bodies take all the memory."""


class Bodies:
    """Reads bodies into memory that is limited for all of them together.

    Args:
        total: bytes of all bodies that are being read or answered.
    """

    def __init__(self, total: int) -> None:
        self._free = self._total = total
        self._untrimmed = 0
        self._freed = asyncio.Condition()

    @asynccontextmanager
    async def read(
        self, receive: "Receive", declared: int | None, most: int
    ) -> "AsyncIterator[bytes]":
        """A whole body; its memory is given back at the end of the context.

        Memory is taken as bytes come, so that a client that only declares them takes none.

        Args:
            receive: of ASGI.
            declared: the length of the body that the client declared.
            most: bytes that a body may have.

        Raises:
            TooLarge: more bytes than one may have.
            TooSlow: it did not come in time.
            Crowded: others took all the memory for too long.
            Gone: the client went away.
        """
        if declared is not None and declared > most:
            raise _large(f"{declared:,} bytes", most)
        taken, parts, begun = 0, [], monotonic()
        try:
            while True:
                patience = _SECONDS + taken / _RATE - (monotonic() - begun)
                try:
                    message = await asyncio.wait_for(receive(), max(0.0, patience))
                except TimeoutError:
                    raise TooSlow from None
                if message["type"] == "http.disconnect":
                    raise Gone
                part = message.get("body", b"")
                if taken + len(part) > most:
                    raise _large(f"more than {most:,} bytes", most)
                await self._take(len(part))
                taken += len(part)
                parts.append(part)
                if not message.get("more_body", False):
                    break
            yield parts[0] if len(parts) == 1 else b"".join(parts)
        finally:
            parts.clear()
            self._free += taken
            self._untrimmed += taken
            if taken:
                asyncio.get_running_loop().create_task(self._tell())

    async def _take(self, size: int) -> None:
        try:
            async with asyncio.timeout(_PATIENCE if size > self._free else None):
                while size > self._free:
                    async with self._freed:
                        await self._freed.wait()
        except TimeoutError:
            raise Crowded from None
        self._free -= size

    async def _tell(self) -> None:
        async with self._freed:
            self._freed.notify_all()
        if self._free == self._total and self._untrimmed > _TRIM:
            self._untrimmed = 0
            await asyncio.to_thread(give_back)


def give_back() -> None:
    """Give free memory back to the system; C libraries other than GNU's do so by themselves."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _large(got: str, most: int) -> TooLarge:
    return TooLarge("body", got, f"at most {most:,} bytes")


def check_shape(body: bytes, most: int) -> None:
    """Check how deeply JSON nests and how many parts it has, without building any of them.

    Parts are texts, brackets, commas and colons. What is refused is not read to its end.

    Raises:
        TooLarge: more than ``MOST_DEPTH`` levels, or more than ``most`` parts.

    >>> check_shape(b'{"a": [1, 2, "]]]],,,,"]}', most=9)
    """
    parts = depth = place = 0
    for text in chain(_TEXT.finditer(body), [None]):
        marks = body[place : text.start() if text else len(body)].translate(None, _OTHERS)
        parts += len(marks) + (text is not None)
        if parts > most:
            raise TooLarge("body", f"more than {most:,} values and names", "fewer")
        for mark in marks:
            depth += (mark in b"[{") - (mark in b"]}")
            if depth > MOST_DEPTH:
                raise TooLarge(
                    "body", f"more than {MOST_DEPTH} lists or objects within each other", "fewer"
                )
        place = text.end() if text else place


def small(request: Request) -> bool:
    """Whether a request is read in less time than a thread would take to begin."""
    length = request.headers.get("content-length", "")
    return length.isdigit() and int(length) <= SMALL


class _ParsedAside(Request):
    async def json(self) -> Any:  # noqa: ANN401 - starlette's own type
        body = await self.body()
        if len(body) <= SMALL:
            return json.loads(body)
        return await asyncio.to_thread(json.loads, body)


class ParsedAside(APIRoute):
    """A route whose large bodies are parsed in a thread."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler that FastAPI makes, for such a request."""
        handle = super().get_route_handler()

        async def aside(request: Request) -> Response:
            return await handle(_ParsedAside(request.scope, request.receive))

        return aside
