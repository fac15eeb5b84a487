"""From start to ready, and memory, of the service: ``python -m benchmarks.serving_start PACKAGE``.

Starts the bare application in fresh processes (imports, load, golden requests), and the same under
BentoML until ``/readyz`` says so, as `concord serve` starts it; prints one JSON line with the
medians: seconds, seconds of the processor, and megabytes when it is ready. The processor's clock
tells what a machine does by itself that others use too.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from serving import bento, process

_BARE = """
import sys
from pathlib import Path
from serving.worker import Serving
Serving(own=Path(sys.argv[1])).begin()
print("ready", flush=True)
sys.stdin.read()
"""
_TICKS = os.sysconf("SC_CLK_TCK")


def told(number: int) -> dict[str, float]:
    """Megabytes and processor seconds of a process."""
    proc = Path("/proc") / str(number)
    status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
    times = (proc / "stat").read_text().rpartition(")")[2].split()
    return {
        "cpu_s": (int(times[11]) + int(times[12])) / _TICKS,
        "resident_mb": int(status["VmRSS"].split()[0]) / 1024,
        "peak_mb": int(status["VmHWM"].split()[0]) / 1024,
    }


def family(number: int) -> list[int]:
    """A process and those that it started."""
    children = Path(f"/proc/{number}/task/{number}/children").read_text().split()
    return [number, *(found for child in children for found in family(int(child)))]


def bare(package: Path, home: Path) -> dict[str, float]:
    """One start of the bare application."""
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", _BARE, str(package)],
        env={**os.environ, "CONCORD_HOME": str(home)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        assert running.stdout is not None
        if running.stdout.readline() != "ready\n":
            raise SystemExit("the service did not become ready")
        return {"ready_s": time.perf_counter() - began} | told(running.pid)


def bentoml(built: Path, home: Path) -> dict[str, float]:
    """One start under BentoML; the memory is that of its worker, and of all its processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.perf_counter()
    server = process.start(
        built, host="127.0.0.1", port=port, version=None, log=home / "serve.log"
    )  # fmt: skip
    try:
        ready = time.perf_counter() - began
        group = [told(number) for number in family(server.process.pid)]
    finally:
        process.stop(server)
    worker = max(group, key=lambda own: own["resident_mb"])
    return {
        "ready_s": ready,
        "cpu_s": sum(own["cpu_s"] for own in group),
        "resident_mb": worker["resident_mb"],
        "all_resident_mb": sum(own["resident_mb"] for own in group),
    }


def medians(runs: list[dict[str, float]]) -> dict[str, float]:
    """The median of each figure."""
    return {name: round(statistics.median(run[name] for run in runs), 2) for name in runs[0]}


def main() -> None:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=Path)
    parser.add_argument("--starts", type=int, default=5)
    arguments = parser.parse_args()
    found: dict[str, Any] = {"load": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory() as folder:
        home, package, starts = Path(folder), arguments.package.resolve(), range(arguments.starts)
        found["bare"] = medians([bare(package, home) for _ in starts])
        built = bento.build(package, home / "built")
        found["bentoml"] = medians([bentoml(built, home) for _ in starts])
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
