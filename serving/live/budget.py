"""Limits of requests, checked before any decoding: memory, which is reserved, and computing."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from components.config.run import ServingConfig
from components.core.errors import BadInput
from serving.defaults import ANSWER_SECONDS

_MEGABYTE = 1_000_000
RETRY_SECONDS = 2
"""When a client that was refused as busy may ask again."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one value takes."""

    memory: int
    """Bytes, to decode it."""
    seconds: float = 0.0
    """Seconds of one core to compute with it, by its encoders that declare it."""


class TooMuch(BadInput):
    """A value, or all values of a request, that would take more than is allowed."""


class Busy(Exception):
    """Other requests took all the memory for longer than this one could wait."""


class Budget:
    """One limit for a value, one for a request and one for all requests that are being answered.

    Args:
        limits: the three limits, in megabytes.
        patience: seconds that a request waits for the others.
    """

    def __init__(self, limits: ServingConfig, patience: float = 20.0) -> None:
        self._limits, self._patience = limits, patience
        self._free = limits.max_total_mb * _MEGABYTE
        self._turn, self._freed = anyio.Lock(), anyio.Condition()

    def checked(self, costs: Mapping[str, Cost], request: str) -> int:
        """The memory of all values together.

        Args:
            costs: path of each value to what it takes.
            request: the path of all of them.

        Raises:
            TooMuch: a value, or all together, exceed a limit, or could not be answered in time.
        """
        for field, cost in costs.items():
            if cost.memory > self._limits.max_value_mb * _MEGABYTE:
                most = f"at most {self._limits.max_value_mb:,} MB (`serving.max_value_mb`)"
                raise TooMuch(
                    field, f"a value that takes {_mb(cost.memory)} to decode", f"{most}; shrink it"
                )
            if cost.seconds > ANSWER_SECONDS:
                got = f"a value that takes about {cost.seconds:,.0f} s to compute"
                raise TooMuch(field, got, f"at most {ANSWER_SECONDS:.0f} s; shorten it")
        total = sum(cost.memory for cost in costs.values())
        if total > self._limits.max_request_mb * _MEGABYTE:
            most = f"at most {self._limits.max_request_mb:,} MB (`serving.max_request_mb`)"
            got = f"{len(costs)} values that take {_mb(total)} to decode"
            raise TooMuch(request, got, f"{most}; send them in several requests")
        if (seconds := sum(cost.seconds for cost in costs.values())) > ANSWER_SECONDS:
            most = f"at most {ANSWER_SECONDS:.0f} s; send them in several requests"
            raise TooMuch(request, f"values that take about {seconds:,.0f} s to compute", most)
        return total

    @asynccontextmanager
    async def hold(self, amount: int) -> AsyncIterator[None]:
        """Reserve memory for a while; requests are served in the order in which they come.

        Raises:
            Busy: it was not free in time.
        """
        with anyio.move_on_after(self._patience) as wait:
            async with self._turn, self._freed:
                while self._free < amount:
                    await self._freed.wait()
                self._free -= amount
        if wait.cancelled_caught:
            raise Busy
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                async with self._freed:
                    self._free += amount
                    self._freed.notify_all()


def _mb(amount: int) -> str:
    return f"{amount / _MEGABYTE:,.0f} MB"
