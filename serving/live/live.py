"""Which units answer right now: the champion's, and perhaps a canary's for a share of the keys.

All of it happens in the event loop, so that a request sees one state. A unit that was replaced
answers the requests that it has begun, and is let go when the last of them has ended.
"""

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from serving.live.answers import NotLive
from serving.live.unit import Unit

_DRAIN_SECONDS = 60.0
_SPAN = 1 << 64


@dataclass(frozen=True, kw_only=True)
class Beside:
    """A unit that answers beside the champion's.

    Attributes:
        unit: answers.
        share: of the keys or of the requests, from 0 to 1.
    """

    unit: Unit
    share: float


class Live:
    """The units of one process.

    Attributes:
        refused: the version that should serve and cannot.
        ending: whether the process ends soon, so that clients should connect no more.
        canary: answers the keys of its share.
        shadow: answers copies of a share of the requests, which nobody sees.
    """

    def __init__(self, unit: Unit | None = None) -> None:
        self._current = unit
        self._loop: asyncio.AbstractEventLoop | None = None
        self.refused: int | None = None
        self.ending = False
        self.canary: Beside | None = None
        self.shadow: Beside | None = None

    @property
    def current(self) -> Unit | None:
        """The champion's unit; None before the first one is loaded."""
        return self._current

    def any(self) -> Unit:
        """The unit whose limits hold for a request that is read.

        Raises:
            NotLive: nothing serves yet.
        """
        if self._current is None:
            raise NotLive("version", "no model yet", "one that is loaded; ask again in a moment")
        return self._current

    def put(self, unit: Unit) -> None:
        """Let a unit answer from now on, at once."""
        self._current = unit
        unit.serves()

    @contextmanager
    def lease(self, key: str, version: str | None = None) -> Iterator[Unit]:
        """The unit that answers a request; it stays until the end of the context.

        Args:
            key: who asks: one key sees one version.
            version: a version that the request asks for.

        Raises:
            NotLive: it does not serve, or nothing does yet.
        """
        self._loop = self._loop or asyncio.get_running_loop()
        unit = self._chosen(key, version)
        unit.requests += 1
        try:
            yield unit
        finally:
            unit.requests -= 1

    async def swap(self, unit: Unit) -> Unit | None:
        """Let a unit answer from now on; return the one before once it has answered all."""
        before = self._current
        self.put(unit)
        await drained(before)
        return before

    def swap_from_thread(self, unit: Unit) -> None:
        """The same from a thread beside the event loop; before the loop runs, at once."""
        if self._loop is None:
            self.put(unit)
            return
        asyncio.run_coroutine_threadsafe(self.swap(unit), self._loop).result()

    def _chosen(self, key: str, version: str | None) -> Unit:
        current, canary = self.any(), self.canary
        if version is not None:
            for unit in (current, *([canary.unit] if canary else [])):
                if str(unit.ref.version) == version:
                    return unit
            raise NotLive("X-Concord-Version", version[:20], "a version that serves")
        if canary is not None and share_of(key, canary.unit.ref.package_digest) < canary.share:
            return canary.unit
        return current


async def drained(unit: Unit | None) -> None:
    """Wait until a unit that gets no more requests has answered those that it has."""
    end = asyncio.get_running_loop().time() + _DRAIN_SECONDS
    while unit is not None and unit.requests and asyncio.get_running_loop().time() < end:
        await asyncio.sleep(0.01)


def share_of(key: str, salt: str) -> float:
    """A number from 0 to 1 that a key always gets, drawn anew for each salt.

    >>> 0 <= share_of("ada", "a digest") < 1
    True
    """
    drawn = hashlib.sha256(f"{salt}\\0{key}".encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(drawn[:8], "big") / _SPAN
