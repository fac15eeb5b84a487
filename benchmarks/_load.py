"""A load generator: one process, raw HTTP over kept connections, each request timed.

``python -m benchmarks._load`` reads a plan as JSON from standard input and writes what it saw.
"""

import asyncio
import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np


@dataclass
class Seen:
    """What the clients saw."""

    status: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    begun: float = field(default_factory=perf_counter)

    def told(self) -> dict[str, Any]:
        """Counts by status, answers in a second, and percentiles of those answered, in ms."""
        wall = perf_counter() - self.begun
        times = np.array(self.seconds or [np.nan]) * 1000
        return {
            "status": dict(self.status),
            "seconds": round(wall, 2),
            "answers_per_s": round(self.status["200"] / wall, 1),
            **{f"p{p}": round(float(np.percentile(times, p)), 2) for p in (50, 95, 99)},
        }


class Connection:
    """One kept connection to the endpoint."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, path: str, body: bytes) -> str:
        """Send a request, read the answer, return its status.

        A connection that the server closed while nothing was asked is opened anew, once.
        """
        kept = self._streams is not None
        status = await self._ask(path, body)
        return await self._ask(path, body) if kept and status == "broken" else status

    async def _ask(self, path: str, body: bytes) -> str:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address)
        reader, writer = self._streams
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {self._address[0]}:{self._address[1]}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        try:
            writer.write(head.encode() + body)
            lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
            length = next(int(x.split(":")[1]) for x in lines if x.startswith("content-length"))
            await reader.readexactly(length)
            if "connection: close" in lines:
                self.close()
            return lines[0].split()[1]
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            return "broken"

    def close(self) -> None:
        """End it."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def closed_loop(plan: dict[str, Any], bodies: list[bytes]) -> Seen:
    """Each client asks as soon as it was answered."""
    seen, end = Seen(), perf_counter() + plan["seconds"]

    async def client(number: int) -> None:
        connection = Connection(plan["host"], plan["port"])
        while (begun := perf_counter()) < end:
            status = await connection.ask(plan["path"], bodies[number % len(bodies)])
            number += plan["clients"]
            seen.status[status] += 1
            if status == "200":
                seen.seconds.append(perf_counter() - begun)
        connection.close()

    await asyncio.gather(*(client(n) for n in range(plan["clients"])))
    return seen


async def open_loop(plan: dict[str, Any], bodies: list[bytes]) -> Seen:
    """Requests come at a rate, whether those before were answered or not."""
    seen, idle, running = Seen(), [], set()
    draw = np.random.default_rng(0)

    async def one(number: int) -> None:
        begun = perf_counter()
        connection = idle.pop() if idle else Connection(plan["host"], plan["port"])
        status = await connection.ask(plan["path"], bodies[number % len(bodies)])
        seen.status[status] += 1
        if status == "200":
            seen.seconds.append(perf_counter() - begun)
        idle.append(connection)

    due, number, end = perf_counter(), 0, perf_counter() + plan["seconds"]
    while due < end:
        await asyncio.sleep(max(0.0, due - perf_counter()))
        task = asyncio.create_task(one(number))
        running.add(task)
        task.add_done_callback(running.discard)
        number, due = number + 1, due + draw.exponential(1 / plan["rate"])
    await asyncio.gather(*running)
    return seen


def main() -> None:
    """Follow the plan."""
    plan = json.load(sys.stdin)
    bodies = [body.encode() for body in plan["bodies"]]
    loop = open_loop if "rate" in plan else closed_loop
    json.dump(asyncio.run(loop(plan, bodies)).told(), sys.stdout)


if __name__ == "__main__":
    main()
