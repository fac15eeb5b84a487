"""A unit: one model version with its index, and the application that answers for both."""

import asyncio
import base64
import math
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from components.core.errors import UserError
from serving.live.answers import Answers
from serving.live.batching import Batcher
from serving.live.budget import Cost
from serving.live.shared import COMPUTING, Shared

if TYPE_CHECKING:
    from components.prediction.classifier import Record
    from components.prediction.prediction import Prediction

T = TypeVar("T")
Application = Callable[[Any, Any, Any], Awaitable[None]]
"""Of ASGI: scope, receive, send."""
_TOGETHER = 16_000_000
"""Bytes that records of one request take to decode at once."""
_SOON = 1.0
"""Seconds of computing of records of one request at once; one that takes longer is a long one."""
_BATCH = 64
"""Records in a batch of several requests."""
_TOLERANCE = 1e-3  # of a sum of probabilities in single precision


class Unit:
    """Answers requests with one model version and its index.

    Args:
        answers: the loaded package.
        shared: what it shares with other units.
        interface: makes the application that answers requests with this unit.

    Attributes:
        app: that application.
        requests: those that it answers right now.
    """

    def __init__(
        self, answers: Answers, shared: Shared, interface: Callable[["Unit"], Application]
    ) -> None:
        self.answers, self.limits, self.ref = answers, answers.limits, answers.ref
        self.shared, self.requests = shared, 0
        self._batches: Batcher[tuple[Record, str], Prediction] = Batcher(
            self._compute,
            shared.computing,
            most=_BATCH,
            at_once=COMPUTING,
            seen=shared.metrics.batch,
        )
        # Nobody waits for long records but those who sent them.
        self._long: Batcher[tuple[Record, str], Prediction] = Batcher(
            self._compute, shared.long, most=1, seen=shared.metrics.batch
        )
        answers.predictor.searcher.watched = self._watch
        # FastAPI keeps the functions of routes for ever, and with them whatever they refer to.
        self.app = interface(weakref.proxy(self))

    @property
    def full(self) -> bool:
        """Whether a question that comes now would be answered late."""
        return self._batches.full

    async def run(self, work: Callable[[], T], quick: bool = False) -> T:
        """Do what takes more than a moment in a thread of the pool; what is quick, at once.

        On a busy machine to wait for a thread takes longer than to read a small request.
        """
        if quick:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self.shared.reading, work)

    async def predict(self, records: "Mapping[str, Record]", request: str) -> "list[Prediction]":
        """Answers and vectors of records, computed together with those of other requests.

        Args:
            records: path of each record in the request to its values.
            request: the path of all of them.

        Raises:
            BadInput: a value that breaks a limit; it names the field.
            Busy: no memory in time.
            Full: so many wait that an answer would be late.
        """
        found: list[Prediction] = []
        async with self.holding(records, request) as costs:
            # Others come in between, and nothing more is computed for a client that has gone.
            for part, seconds in _parts(records, costs):
                lane = self._long if seconds > _SOON else self._batches
                found += await lane.answer([(records[place], place) for place in part])
        for prediction in found:
            self.shared.metrics.record(prediction.modalities, bool(prediction.abstained))
        return found

    def serves(self) -> None:
        """Record in the metrics that this unit is the champion's from now on."""
        metrics = self.shared.metrics
        metrics.swaps.inc()
        metrics.version.labels("champion").set(self.ref.version or 0)
        metrics.index(self.answers.predictor.collection)

    def _watch(self, *search: Any) -> None:  # noqa: ANN401 - of `RecallWatch.check`
        if self.shared.recall.due():
            self.shared.reading.submit(self.shared.recall.check, *search)

    @asynccontextmanager
    async def holding(
        self, records: "Mapping[str, Record]", request: str
    ) -> AsyncIterator[Mapping[str, Cost]]:
        """Hold the memory that it takes to decode records; gives what each value takes.

        Raises:
            BadInput: a value that breaks a limit; it names the field.
            Busy: no memory in time.
        """
        # The header of a medium may be made to take long.
        media = any(isinstance(v, bytes) for record in records.values() for v in record.values())
        costs = await self.run(lambda: self.answers.costs(records), quick=not media)
        async with self.shared.budget.hold(self.shared.budget.checked(costs, request)):
            yield costs

    def _compute(self, rows: "list[tuple[Record, str]]") -> "list[Prediction]":
        records, places = [record for record, _ in rows], [place for _, place in rows]
        return self.answers.predictor.classifier.answers(records, places)

    def check(self) -> None:
        """Answer golden requests: the example of each modality alone, and of all together.

        Raises:
            UserError: an answer is not a number, probabilities do not add up, or nothing is found.
        """
        example = {
            name: base64.b64decode(value) if self.limits.modalities[name].raw == "bytes" else value
            for name, value in self.limits.example().items()
        }
        records = [*({name: value} for name, value in example.items()), example]
        found = self._compute([(record, "golden") for record in records])
        for record, prediction in zip(records, found, strict=True):
            what = "+".join(sorted(record))
            total, single = sum(prediction.probabilities.values()), prediction.label is not None
            if math.isnan(total) or (single and abs(total - 1.0) > _TOLERANCE):
                raise UserError(f"a golden request ({what}) got probabilities that sum to {total}")
            if len(self.answers.predictor):
                hits = self.answers.nearest(prediction)
                if not hits or math.isnan(hits[0].score):
                    raise UserError(f"a golden request ({what}) found nothing")


def _parts(
    records: "Mapping[str, Record]", costs: Mapping[str, Cost]
) -> Iterator[tuple[list[str], float]]:
    """Records in a row that are computed together, with their seconds: one, or several small ones.

    >>> costs = {"a.x": Cost(memory=9_000_000), "b.x": Cost(memory=8_000_000)}
    >>> costs |= {"b.y": Cost(memory=1_000_000), "d.x": Cost(memory=1, seconds=2.0)}
    >>> records = {"a": {"x": b""}, "b": {"x": b"", "y": b""}, "c": {"x": b""}, "d": {"x": b""}}
    >>> list(_parts(records, costs))
    [(['a'], 0.0), (['b', 'c'], 0.0), (['d'], 2.0)]
    """
    part: list[str] = []
    memory, seconds = 0, 0.0
    for place, record in records.items():
        found = [costs[key] for name in record if (key := f"{place}.{name}") in costs]
        more, longer = sum(c.memory for c in found), sum(c.seconds for c in found)
        if part and (memory + more > _TOGETHER or seconds + longer > _SOON):
            yield part, seconds
            part, memory, seconds = [], 0, 0.0
        part.append(place)
        memory, seconds = memory + more, seconds + longer
    yield part, seconds
