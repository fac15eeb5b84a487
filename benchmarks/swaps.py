"""Swaps between two versions under load, with writes: nothing lost, nothing mixed.

``python -m benchmarks.swaps PACKAGE [OTHER] --swaps 100`` serves two versions in turn, as the
ledger says. Clients in another process classify, search and write records meanwhile: 2,000 of
them, again and again. Counted are requests that failed, answers whose vectors and index are of
different versions, records that are not found as they were last written (at once, and at the end),
the longest time that a client waited, seconds from a promotion to the first answer of its version,
and the memory of the service after some of the swaps. ``--report FILE`` gets a line every 10 swaps.
"""

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from benchmarks._swap_clients import Asking
from benchmarks.serving_load import records
from benchmarks.serving_start import told
from components.config.home import Home
from components.core.files import write_json
from components.core.refs import digest_folder
from components.model.listing import FILES
from components.prediction.format import digests
from components.prediction.predictor import Predictor
from components.registry.ledger import Ledger
from components.registry.ledger_entry import Entry

_TOLD = (1, 100, 500, 1000)
"""Swaps after which the memory is told, beside the last one."""
SERVER = """
import sys
from pathlib import Path
import uvicorn
from serving.defaults import KEEP_ALIVE_SECONDS
from serving.live import follow
follow.POLL_SECONDS = 0.05
from serving.worker import Serving
serving = Serving(own=Path(sys.argv[1]))
serving.begin()
uvicorn.run(serving.front, port=int(sys.argv[2]), log_level="warning", server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS)
"""


class Registry:
    """A ledger of two versions."""

    def __init__(self, home: Home, packages: list[Path]) -> None:
        self._ledger, self.digests = Ledger(home.ledger), [digest_folder(p) for p in packages]
        self.name = "swapped"
        for number, package in enumerate(packages, start=1):
            self._append(number, "registration", {"package": package.name})

    def promote(self, number: int) -> None:
        """Make a version champion."""
        self._append(number, "promotion", {})

    def _append(self, number: int, kind: Any, details: dict[str, str]) -> None:  # noqa: ANN401
        entry = Entry(
            time="2026-01-01T00:00:00+00:00", model=self.name, kind=kind, version=number,
            package_digest=self.digests[number - 1], actor="benchmark", details=details,
        )  # fmt: skip
        self._ledger.append(entry)


def copied(package: Path, home: Path, number: int) -> Path:
    """A package in the state folder; the second one has another card."""
    target = home / f"package-{number}"
    shutil.copytree(package, target)
    (target / "card.md").write_text(f"# Version {number}\n", encoding="utf-8")
    write_json(target / FILES, {"files": digests(target)})
    return target


class Service:
    """The service in a process of its own; it follows a registry of two packages."""

    def __init__(self, package: Path, registry: Registry, home: Path, port: int) -> None:
        variables = {
            "CONCORD_HOME": str(home), "CONCORD_FOLLOW": registry.name,
            "CONCORD_HOST": "127.0.0.1", "CONCORD_MODEL_VERSION": "1",
            "CONCORD_PACKAGE_DIGEST": registry.digests[0],
        }  # fmt: skip
        command = [sys.executable, "-c", SERVER, str(package), str(port)]
        self._process = subprocess.Popen(command, env={**os.environ, **variables})
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30)

    def wait_for(self, number: int) -> None:
        """Wait until a version serves."""
        end = time.monotonic() + 600
        while self._version() != number:
            assert self._process.poll() is None, "the server ended"
            assert time.monotonic() < end, f"version {number} does not serve"
            time.sleep(0.05)

    def memory(self) -> float:
        """Resident megabytes."""
        return told(self._process.pid)["resident_mb"]

    def end(self) -> None:
        """Stop it."""
        self._process.terminate()
        self._process.wait(30)

    def _version(self) -> int | None:
        try:
            found = self._http.get("/readyz").json()
        except (httpx.HTTPError, ValueError):
            return None
        return found.get("version")  # type: ignore[no-any-return]


def swap(
    service: Service, registry: Registry, swaps: int, minutes: float, report: Path | None
) -> dict[str, Any]:
    """Swap so many times, or as often as some minutes allow."""
    memory: list[float] = []
    seconds: list[float] = []
    begun = time.perf_counter()
    while len(memory) < swaps and time.perf_counter() - begun < 60 * minutes:
        version, at = 2 - len(memory) % 2, time.perf_counter()
        registry.promote(version)
        service.wait_for(version)
        seconds.append(time.perf_counter() - at)
        memory.append(service.memory())
        if len(memory) % 10 == 0 and report is not None:
            took = time.perf_counter() - begun
            with report.open("a", encoding="utf-8") as lines:
                lines.write(f"{len(memory)} swaps, {took:.0f} s, {memory[-1]:.0f} MB\n")
    return {
        "swaps": len(memory), "seconds": round(time.perf_counter() - begun, 1),
        "swap_seconds": {"median": round(median(seconds), 2), "most": round(max(seconds), 2)},
        "resident_mb_after": {n: memory[n - 1] for n in (*_TOLD, len(memory)) if n <= len(memory)},
    }  # fmt: skip


def run(given: argparse.Namespace, port: int = 38431) -> dict[str, Any]:
    """Swap under load."""
    one, *other = given.packages
    with tempfile.TemporaryDirectory() as folder:
        home = Home(root=Path(folder))
        both = (one, other[0] if other else one)
        kept = [copied(package, home.root, n) for n, package in enumerate(both, start=1)]
        registry = Registry(home, kept)
        registry.promote(1)
        predictor = Predictor.load(kept[0])
        plan = {
            "url": f"http://127.0.0.1:{port}", "end": str(home.root / "end"),
            "records": records(predictor, 50), "classes": predictor.classes, "pause": given.pause,
        }  # fmt: skip
        del predictor
        service = Service(kept[0], registry, home.root, port)
        try:
            service.wait_for(1)
            with subprocess.Popen(
                [sys.executable, "-m", "benchmarks.swaps", "--asks"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            ) as asking:  # fmt: skip
                assert asking.stdin is not None
                asking.stdin.write(json.dumps(plan))
                asking.stdin.close()
                asking.stdin = None
                try:
                    found = swap(service, registry, given.swaps, given.minutes, given.report)
                finally:
                    Path(plan["end"]).touch()
                out, _ = asking.communicate(timeout=600)
        finally:
            service.end()
    return {**found, **json.loads(out)}


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packages", type=Path, nargs="*")
    parser.add_argument("--swaps", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=1e6, help="stop earlier after these")
    parser.add_argument("--pause", type=float, default=0.0, help="seconds between two rounds")
    parser.add_argument("--report", type=Path, help="a file that gets a line every 10 swaps")
    parser.add_argument("--asks", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    found = asyncio.run(Asking(json.load(sys.stdin)).run()) if chosen.asks else run(chosen)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
