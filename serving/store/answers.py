"""The answer log: what was answered to whom by which version, kept for some days.

It has no payload unless the run's configuration asks for it. Nothing waits for it but feedback: a
thread writes what was noted a moment ago, and what it cannot hold is counted and dropped.
"""

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic, time
from typing import Any

from sqlalchemy import Boolean, Column, Float, Index, Integer, Table, Text, delete, insert, select

from components.core.errors import UserError
from serving.store import payloads
from serving.store.database import METADATA, Database, Schema

_WAITING, _WAITING_BYTES = 10_000, 64 << 20
"""Answers that wait to be written, and the bytes of their payloads; further ones are dropped."""
_BATCH = 500
_PAUSE = 0.2  # seconds in which answers gather
_AGAIN = 2.0  # seconds until the next try after one that failed
_STEP = 1_000  # answers that are deleted in a transaction
_PRUNE_SECONDS = 600.0
_DAY = 86_400

ANSWERS = Table(
    "concord_answers",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("time", Float(53), nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("version", Integer),
    Column("package_digest", Text, nullable=False),
    Column("token", Text),
    Column("modalities", Text, nullable=False),
    Column("outputs", Text, nullable=False),
    Column("seconds", Float(53), nullable=False),
    Column("abstained", Boolean),
    Column("payload", Text),
    Index("concord_answers_by_time", "time"),
)
SCHEMA = Schema(name="answers", version=1, tables=(ANSWERS,))


@dataclass(frozen=True, kw_only=True)
class Answered:
    """One record that was classified, or one search."""

    id: str
    time: float
    """Seconds since 1970."""
    endpoint: str
    model: str
    version: int | None
    package_digest: str
    token: str | None
    """Name of the token that asked."""
    modalities: Sequence[str]
    """Those of the record or the query."""
    outputs: dict[str, Any]
    """JSON: ``labels`` with their probabilities, or ``target`` and ``hits`` with their scores."""
    seconds: float
    """From the request to the answer."""
    abstained: bool | None = None
    payload: Mapping[str, Any] | None = None
    """Values of the record or the query, if they are kept."""

    @property
    def size(self) -> int:
        """Bytes of the payload, roughly."""
        return sum(
            len(value) if isinstance(value, bytes | str) else len(repr(value))
            for value in (self.payload or {}).values()
        )


class AnswerLog:
    """Writes answers beside the requests.

    Args:
        database: the store.
        days: how long an answer is kept.
        dropped: called with the number of answers that were dropped.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        database: Database,
        *,
        days: int,
        dropped: Callable[[int], None] = lambda _: None,
        clock: Callable[[], float] = time,
    ) -> None:
        self._database, self._days, self._dropped, self._clock = database, days, dropped, clock
        self._waiting: deque[Answered] = deque()
        self._bytes = 0
        self._noted = self._settled = self._hurried = 0  # numbers of answers
        self._change = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._write_all, name="answers", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def close(self, seconds: float = 10.0) -> None:
        """Write what waits, for some seconds at most, and end."""
        with self._change:
            self._ended = True
            self._change.notify_all()
        self._thread.join(seconds)

    def note(self, *answers: Answered) -> None:
        """Keep answers, if there is room; it never waits."""
        dropped = 0
        with self._change:
            for answer in answers:
                size = answer.size
                if len(self._waiting) >= _WAITING or self._bytes + size > _WAITING_BYTES:
                    dropped += 1
                    continue
                self._waiting.append(answer)
                self._bytes += size
                self._noted += 1
            self._change.notify_all()
        if dropped:
            self._dropped(dropped)

    def settle(self, seconds: float = 2.0) -> bool:
        """Wait until all that was noted before is written; whether it is."""
        with self._change:
            wanted = self._hurried = self._noted
            self._change.notify_all()
            return self._change.wait_for(lambda: self._settled >= wanted, seconds)

    def prune(self) -> int:
        """Delete the answers that are too old, some at a time; returns how many.

        Raises:
            UserError: the store cannot be written.
        """
        before, found = self._clock() - self._days * _DAY, 0
        old = select(ANSWERS.c.id).where(ANSWERS.c.time < before).limit(_STEP)
        while True:
            with self._database.writing(SCHEMA) as connection:
                step = connection.execute(delete(ANSWERS).where(ANSWERS.c.id.in_(old))).rowcount
            found += step
            if step < _STEP:
                return found

    def _write_all(self) -> None:
        pruned = -_PRUNE_SECONDS
        while True:
            try:
                with self._taken() as batch:
                    if batch is None:
                        return
                    if batch:
                        self._write(batch)
                if monotonic() - pruned > _PRUNE_SECONDS:
                    pruned = monotonic()
                    self.prune()
            except UserError:  # the store does not answer: what waits is kept while there is room
                with self._change:
                    if self._change.wait_for(lambda: self._ended, _AGAIN):
                        return

    @contextmanager
    def _taken(self) -> Iterator[list[Answered] | None]:
        """A batch of those that wait; None at the end. It waits on if it cannot be written."""
        with self._change:
            self._change.wait_for(lambda: self._waiting or self._ended, _PRUNE_SECONDS)
            self._change.wait_for(self._full, _PAUSE)
            if not self._waiting and self._ended:
                yield None
                return
            batch = [self._waiting[i] for i in range(min(_BATCH, len(self._waiting)))]
        yield batch
        with self._change:
            for answer in batch:
                self._waiting.popleft()
                self._bytes -= answer.size
            self._settled += len(batch)
            self._change.notify_all()

    def _full(self) -> bool:
        """Whether it is not worth waiting for more."""
        hurried = self._hurried > self._settled
        return self._ended or hurried or len(self._waiting) >= _BATCH

    def _write(self, batch: Sequence[Answered]) -> None:
        with self._database.writing(SCHEMA) as connection:
            connection.execute(insert(ANSWERS), [_row(answer) for answer in batch])


def _row(answer: Answered) -> dict[str, Any]:
    return {
        **answer.__dict__,
        "modalities": json.dumps(sorted(answer.modalities)),
        "outputs": json.dumps(answer.outputs),
        "payload": None if answer.payload is None else payloads.written(answer.payload),
    }
