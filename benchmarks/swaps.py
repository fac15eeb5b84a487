"""Swaps between two versions under load, with writes: nothing lost, nothing mixed.

``python -m benchmarks.swaps PACKAGE [OTHER] --swaps 100`` serves two versions in turn, as the
ledger says. Clients in another process classify, search and write records meanwhile. Counted are
requests that failed, answers whose vectors and index are of different versions, written records
that are not found at once or at the end, the longest time that a client waited, and the memory of
the service after the first, the middle and the last swap.
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
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

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

_CLIENTS = 8
SERVER = """
import sys
from pathlib import Path
import uvicorn
from serving.live import follow
follow.POLL_SECONDS = 0.02
from serving.worker import Serving
serving = Serving(own=Path(sys.argv[1]))
serving.begin()
uvicorn.run(serving.front, port=int(sys.argv[2]), log_level="warning", server_header=False)
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


async def clients(plan: dict[str, Any]) -> dict[str, Any]:
    """Ask and write until the file that ends it appears."""
    seen: Counter[str] = Counter()
    longest, written = [0.0], []
    asked: list[dict[str, Any]] = plan["records"]

    async def one(http: httpx.AsyncClient, number: int) -> None:
        while not Path(plan["end"]).exists():
            record = asked[number % len(asked)]
            name = f"written-{number}"
            steps = (
                ("POST", "/v1/classify", {"records": [record]}),
                ("POST", "/v1/search", {"query": record, "k": 3}),
                ("PUT", f"/v1/records/{name}", {"record": record}),
                ("GET", f"/v1/records/{name}", None),
            )
            for method, path, body in steps:
                begun = time.perf_counter()
                try:
                    response = await http.request(method, path, json=body)
                except httpx.HTTPError as error:
                    seen[f"broken {type(error).__name__}"] += 1
                    continue
                longest[0] = max(longest[0], time.perf_counter() - begun)
                seen[f"{method} {path.split('/')[2]} {response.status_code}"] += 1
                if not response.is_success:
                    seen["failed"] += 1
                    continue
                found = response.json()
                if method == "PUT":
                    written.append(name)
                if "index" in found:
                    of = found["index"]["package_digest"], found["model"]["package_digest"]
                    seen["mixed"] += of[0] != of[1]
            number += _CLIENTS

    limits = httpx.Limits(max_connections=_CLIENTS)
    async with httpx.AsyncClient(
        base_url=plan["url"], trust_env=False, timeout=60, limits=limits
    ) as http:
        await asyncio.gather(*(one(http, n) for n in range(_CLIENTS)))
        for name in written:
            response = await http.get(f"/v1/records/{name}")
            seen["lost"] += response.status_code != 200
    return {
        "seen": dict(seen), "written": len(written), "longest_ms": round(longest[0] * 1000, 1),
    }  # fmt: skip


def champion(url: str) -> int | None:
    """The version that serves."""
    try:
        found = httpx.get(f"{url}/readyz", trust_env=False, timeout=30).json()
    except (httpx.HTTPError, ValueError):
        return None
    version = found.get("version")
    return None if version is None else int(version)


def wait_for(url: str, number: int, server: "subprocess.Popen[bytes]") -> None:
    """Wait until a version serves."""
    end = time.monotonic() + 120
    while champion(url) != number:
        assert server.poll() is None, "the server ended"
        assert time.monotonic() < end, f"version {number} does not serve"
        time.sleep(0.02)


def run(packages: list[Path], swaps: int, minutes: float, port: int = 38431) -> dict[str, Any]:
    """Swap so many times under load, or as often as some minutes allow."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(root=Path(folder))
        kept = [copied(package, home.root, n) for n, package in enumerate(packages, start=1)]
        registry = Registry(home, kept)
        registry.promote(1)
        predictor = Predictor.load(kept[0])
        plan = {
            "url": f"http://127.0.0.1:{port}", "end": str(home.root / "end"),
            "records": records(predictor, 50),
        }  # fmt: skip
        del predictor
        variables = {
            "CONCORD_HOME": folder, "CONCORD_FOLLOW": registry.name, "CONCORD_HOST": "127.0.0.1",
        }  # fmt: skip
        start = {"CONCORD_PACKAGE_DIGEST": registry.digests[0], "CONCORD_MODEL_VERSION": "1"}
        environment = {**os.environ, **variables, **start}
        server = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(kept[0]), str(port)], env=environment
        )
        try:
            wait_for(plan["url"], 1, server)
            asking = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.swaps", "--asks"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            assert asking.stdin is not None
            asking.stdin.write(json.dumps(plan))
            asking.stdin.close()
            asking.stdin = None
            begun, end, memory = time.perf_counter(), time.monotonic() + 60 * minutes, []
            while len(memory) < swaps and time.monotonic() < end:
                version = 2 - len(memory) % 2
                registry.promote(version)
                wait_for(plan["url"], version, server)
                memory.append(told(server.pid)["resident_mb"])
                if len(memory) % 50 == 0:
                    sys.stderr.write(f"{len(memory)} of {swaps} swaps\n")
            took = time.perf_counter() - begun
            Path(plan["end"]).touch()
            out, _ = asking.communicate(timeout=600)
        finally:
            server.terminate()
            server.wait(30)
    after = {str(n): memory[n - 1] for n in (1, len(memory) // 2 or 1, len(memory))}
    return {
        "swaps": len(memory), "seconds": round(took, 1), "resident_mb_after": after,
        **json.loads(out),
    }  # fmt: skip


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packages", type=Path, nargs="*")
    parser.add_argument("--swaps", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=1e6, help="stop earlier after these")
    parser.add_argument("--asks", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.asks:
        found = asyncio.run(clients(json.load(sys.stdin)))
    else:
        one, *other = chosen.packages
        found = run([one, other[0] if other else one], chosen.swaps, chosen.minutes)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
