"""Batches that form across requests: while one is computed, the next one gathers.

Nothing waits for a batch to fill up: a request that comes alone is computed at once. Requests that
come while the model computes are its next batch. The queue is bounded, so that whoever is accepted
is answered soon, and all others are told at once to come again.

Source: adaptive batching, Crankshaw et al. 2017, "Clipper" (NSDI), without its added delay.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from time import perf_counter
from typing import Generic, TypeVar

_LEAST = 16  # rows in a batch, however long they take
_BATCHES = 2  # that may wait
_WEIGHT = 0.2  # of the last batch, against all before
In = TypeVar("In")
Out = TypeVar("Out")


class Full(Exception):
    """So much waits already that a further request would be answered late."""


@dataclass(frozen=True, eq=False)
class _Waiting(Generic[In, Out]):
    """A request that waits for its batch."""

    rows: Sequence[In]
    answer: "asyncio.Future[list[Out]]"
    since: float = field(default_factory=perf_counter)


class Batcher(Generic[In, Out]):
    """Computes requests of several rows together; used from one event loop.

    How many rows a batch may have follows from how fast rows were computed last: it takes about
    ``seconds``. Two batches may wait: a longer queue would only make everyone wait longer, and no
    answer come sooner.

    Args:
        compute: answers rows, in their order; called in a thread of ``pool``.
        pool: its threads.
        most: rows in a batch; a request of more is a batch by itself.
        seconds: that a batch should take.
        at_once: batches that are computed at a time.
        seen: receives the rows of every batch, and the seconds that its first request waited.
    """

    def __init__(
        self,
        compute: Callable[[list[In]], list[Out]],
        pool: Executor,
        *,
        most: int,
        seconds: float = 0.1,
        at_once: int = 1,
        seen: Callable[[int, float], None] = lambda _rows, _seconds: None,
    ) -> None:
        self._compute, self._pool, self._seen = compute, pool, seen
        self._limit, self._most, self._at_once = most, most, at_once
        self._seconds, self._pace = seconds, 0.0
        self._queue: deque[_Waiting[In, Out]] = deque()
        self._waiting = 0
        self._workers: set[asyncio.Task[None]] = set()

    @property
    def full(self) -> bool:
        """Whether a request that comes now would be refused."""
        return self._waiting >= _BATCHES * self._most

    async def answer(self, rows: Sequence[In]) -> list[Out]:
        """The answers of rows, computed with those of other requests.

        Raises:
            Full: no room to wait; a request alone always has some.
            Exception: what ``compute`` raised for these rows.
        """
        if self._queue and self._waiting + len(rows) > _BATCHES * self._most:
            raise Full
        one: _Waiting[In, Out] = _Waiting(rows, asyncio.get_running_loop().create_future())
        self._queue.append(one)
        self._waiting += len(rows)
        if len(self._workers) < self._at_once:
            self._workers.add(asyncio.create_task(self._work()))
        return await one.answer  # a caller that gives up cancels it, and it leaves the queue

    async def _work(self) -> None:
        """Compute batches until nothing waits."""
        worker = asyncio.current_task()
        assert worker is not None
        try:
            while batch := self._next():
                await self._batch(batch)
        finally:
            # Not in a callback of the task: what came before it is called would wait for ever.
            self._workers.discard(worker)

    async def _batch(self, batch: "list[_Waiting[In, Out]]") -> None:
        rows = [row for one in batch for row in one.rows]
        self._seen(len(rows), perf_counter() - batch[0].since)
        loop, begun = asyncio.get_running_loop(), perf_counter()
        try:
            found = await loop.run_in_executor(self._pool, self._compute, rows)
            self._learn(len(rows), perf_counter() - begun)
        except Exception as error:
            await self._alone(batch, error)
            return
        place = 0
        for one in batch:
            _settle(one, found[place : place + len(one.rows)])
            place += len(one.rows)

    def _learn(self, rows: int, seconds: float) -> None:
        """Fit the size of a batch to how fast rows are computed; the largest batches tell most."""
        pace = rows / max(seconds, 1e-6)
        weight = _WEIGHT * min(1.0, rows / self._most)
        self._pace = pace if not self._pace else (1 - weight) * self._pace + weight * pace
        self._most = min(self._limit, max(_LEAST, int(self._pace * self._seconds)))

    async def _alone(self, batch: "list[_Waiting[In, Out]]", error: Exception) -> None:
        """Answer each request of a failed batch by itself: the fault is of one of them."""
        loop = asyncio.get_running_loop()
        for one in batch:
            if len(batch) > 1 and not one.answer.done():
                try:
                    found = await loop.run_in_executor(self._pool, self._compute, list(one.rows))
                    _settle(one, found)
                    continue
                except Exception as own:
                    error = own
            if not one.answer.done():
                one.answer.set_exception(error)

    def _next(self) -> "list[_Waiting[In, Out]]":
        """The next batch, without requests whose callers have gone."""
        batch: list[_Waiting[In, Out]] = []
        rows = 0
        while self._queue:
            one = self._queue[0]
            if batch and rows + len(one.rows) > self._most:
                break
            self._queue.popleft()
            self._waiting -= len(one.rows)
            if not one.answer.done():
                batch.append(one)
                rows += len(one.rows)
        return batch


def _settle(one: _Waiting[In, Out], found: list[Out]) -> None:
    if not one.answer.done():
        one.answer.set_result(found)
