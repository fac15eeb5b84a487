"""A shadow: a copy of some requests goes to a second version, whose answers nobody gets.

What both answered is kept in short, so that a challenger is known on the traffic of today before it
is promoted. One copy is answered at a time, after its request; where the shadow is slower than the
requests come, fewer are copied.
"""

import asyncio
import json
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from serving.live.live import Beside

if TYPE_CHECKING:
    from starlette.types import Message, Scope, Send

Record = Callable[..., None]
_TOLD = 10  # records of a request, or hits, that are kept


class Copy:
    """One request that is copied, with what the champion answers to it.

    Args:
        scope: of ASGI.
        body: of the request.
    """

    def __init__(self, scope: "Scope", body: bytes) -> None:
        self._scope, self._body = scope, body
        self._parts: list[bytes] = []
        self._status = 0

    def hearing(self, send: "Send") -> "Send":
        """A channel that also keeps the answer."""

        async def both(message: "Message") -> None:
            if message["type"] == "http.response.start":
                self._status = message["status"]
            self._parts.append(message.get("body", b""))
            await send(message)

        return both

    @property
    def answer(self) -> dict[str, Any] | None:
        """What was answered, in short; None for a refusal."""
        return short(b"".join(self._parts)) if self._status == 200 else None

    async def asked(self, app: Any) -> dict[str, Any] | None:  # noqa: ANN401 - ASGI
        """The short answer of another application to the same request."""
        own = Copy(self._scope, self._body)

        async def receive() -> "Message":
            return {"type": "http.request", "body": self._body, "more_body": False}

        async def nowhere(_: "Message") -> None:
            pass

        # What an application notes on its way belongs to one of them.
        scope = {**self._scope, "state": {}, "headers": list(self._scope["headers"])}
        await app(scope, receive, own.hearing(nowhere))
        return own.answer

    @property
    def path(self) -> str:
        """What was asked."""
        return str(self._scope["path"])


class Shadow:
    """Copies requests.

    Args:
        record: keeps what both answered; called in a thread.
    """

    def __init__(self, record: Record) -> None:
        self._record, self._running = record, False
        self._tasks: set[asyncio.Task[None]] = set()

    def copy(self, beside: Beside | None, scope: "Scope", body: bytes) -> Copy | None:
        """A copy of a request, if it is among those of the share."""
        if beside is None or self._running or random.random() >= beside.share:  # noqa: S311
            return None
        return Copy(scope, body)

    def ask(self, beside: Beside, champion: str, copy: Copy) -> None:
        """Ask the shadow what the champion has answered; returns at once."""
        self._running = True
        task = asyncio.create_task(self._ask(beside, champion, copy))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, beside: Beside, champion: str, copy: Copy) -> None:
        unit = beside.unit
        unit.requests += 1
        try:
            ours = copy.answer
            if ours is None:
                return
            try:
                theirs = await copy.asked(unit.app)
            except Exception as error:  # its faults are what a shadow is for
                theirs = {"failed": type(error).__name__}
            unit.shared.metrics.shadowed.labels(str(ours == theirs).lower()).inc()
            await asyncio.to_thread(
                self._record,
                model=unit.ref.name,
                path=copy.path,
                champion=champion,
                shadow=unit.ref.package_digest,
                answers={"champion": ours, "shadow": theirs},
            )
        finally:
            unit.requests -= 1
            self._running = False


def short(body: bytes) -> dict[str, Any]:
    """An answer without what differs from model to model by nature, such as its probabilities.

    >>> short(b'{"answers": [{"label": "a", "confidence": 0.9}]}')
    {'labels': ['a']}
    >>> short(b'{"hits": [{"id": "7", "score": 0.5}]}')
    {'hits': ['7']}
    """
    found = json.loads(body)
    if "answers" in found:
        labels = [a["label"] if "label" in a else sorted(a["labels"]) for a in found["answers"]]
        return {"labels": labels[:_TOLD]}
    return {"hits": [hit["id"] for hit in found.get("hits", [])[:_TOLD]]}
