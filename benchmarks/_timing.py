"""Shared by the benchmarks: whole commands timed in turn, and one JSON line."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence


def seconds(command: Sequence[str], **more: object) -> float:
    """Wall seconds of one command that must succeed."""
    start = time.perf_counter()
    subprocess.run(
        command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more
    )  # type: ignore[call-overload]
    return time.perf_counter() - start


def paired(one: Sequence[str], other: Sequence[str], times: int = 5) -> tuple[float, float, float]:
    """Medians of both commands and of their ratio, run in turn after one warm-up."""
    seconds(one), seconds(other)
    pairs = [(seconds(one), seconds(other)) for _ in range(times)]
    return (
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        statistics.median(a / b for a, b in pairs),
    )


def report(name: str, *, target: str, met: bool | None, **figures: float) -> None:
    """Print the one JSON line; whether the target is met may be open (None)."""
    line = {
        "benchmark": name,
        **{k: round(v, 3) for k, v in figures.items()},
        "target": target,
        "met": met,
    }
    sys.stdout.write(json.dumps(line) + "\n")
