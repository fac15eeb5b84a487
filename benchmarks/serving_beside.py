"""What one client waits beside others that misbehave.

``python -m benchmarks.serving_beside PACKAGE``: the service answers one client that asks without a
pause: alone, beside 50 clients that send a byte a second, beside these and 64 bodies of 32 MB
that come at once, and, where the model reads sounds, beside two clients that ask for sounds of five
minutes. Prints one JSON object with the client's percentiles in milliseconds, and the
statuses that the large bodies got.
"""

import argparse
import asyncio
import base64
import io
import json
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._load import Connection
from benchmarks.serving_load import OURS, load, records, running
from components.prediction.predictor import Predictor

_SLOW, _LARGE, _BYTES, _PORT = 50, 64, 32_000_000, 38431
_SECONDS = 300  # of a long sound
_BEGUN, _WATCHED = 5.0, 60.0  # seconds until one is computed, and that the other is looked at
_HEAD = b"POST /v1/classify HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n"


async def _slow() -> None:
    """Open connections and send a byte a second on each; open them anew when they are closed."""

    async def one() -> None:
        while True:
            _, writer = await asyncio.open_connection("127.0.0.1", _PORT)
            try:
                writer.write(_HEAD)
                while True:
                    writer.write(b" ")
                    await writer.drain()
                    await asyncio.sleep(1)
            except OSError:
                writer.close()

    await asyncio.gather(*(one() for _ in range(_SLOW)))


async def _large(seen: "multiprocessing.Queue[dict[str, int]]") -> None:
    """Send the largest bodies at once."""
    keys = ",".join(f'"key{n}":{n}' for n in range(1_400_000))
    body = f'{{"records":[{{{keys}'.encode()[: _BYTES - 3] + b"}]}"
    found = await asyncio.gather(
        *(Connection("127.0.0.1", _PORT).ask("/v1/classify", body) for _ in range(_LARGE))
    )
    seen.put(Counter(found))


async def _long(modality: str, seen: "multiprocessing.Queue[dict[str, int]]") -> None:
    """Ask for long sounds, two at a time, each with noise of its own."""
    import soundfile  # type: ignore[import-untyped]

    statuses: Counter[int] = Counter()

    async def one(seed: int) -> None:
        buffer = io.BytesIO()
        noise = np.random.default_rng(seed).normal(0, 0.1, _SECONDS * 16_000)
        soundfile.write(buffer, noise, 16_000, format="FLAC")
        sound = base64.b64encode(buffer.getvalue()).decode()
        body = json.dumps({"records": [{modality: sound}]}).encode()
        while True:
            statuses[await Connection("127.0.0.1", _PORT).ask("/v1/classify", body)] += 1
            seen.put(dict(statuses))

    await asyncio.gather(one(0), one(1))


@contextmanager
def _beside(*work: Any) -> Iterator[None]:  # noqa: ANN401 - coroutines
    """Processes that do this meanwhile."""
    others = [multiprocessing.Process(target=_run, args=one, daemon=True) for one in work]
    for other in others:
        other.start()
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.join()


def _run(work: Any, *given: Any) -> None:  # noqa: ANN401
    asyncio.run(work(*given))


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0)
    chosen = parser.parse_args()
    predictor = Predictor.load(chosen.package)
    bodies = [json.dumps({"records": [r]}) for r in records(predictor)]
    kinds = {name: m.spec.kind for name, m in predictor.modalities.items()}
    plan = {"clients": 1, "seconds": chosen.seconds}
    seen: multiprocessing.Queue[dict[str, int]] = multiprocessing.Queue()
    with running(OURS, chosen.package, _PORT):
        load(_PORT, bodies, clients=4, seconds=2)
        found: dict[str, Any] = {"alone": load(_PORT, bodies, **plan)}
        with _beside((_slow,)):
            found["slow"] = load(_PORT, bodies, **plan)
        with _beside((_slow,), (_large, seen)):
            found["slow_and_large"] = load(_PORT, bodies, **plan)
            found["large"] = dict(seen.get(timeout=60))
        for sound in [name for name, kind in kinds.items() if kind == "audio"]:
            answers: multiprocessing.Queue[dict[str, int]] = multiprocessing.Queue()
            with _beside((_long, sound, answers)):
                time.sleep(_BEGUN)
                found[f"long_{sound}"] = load(_PORT, bodies, **(plan | {"seconds": _WATCHED}))
            while not answers.empty():
                found[f"long_{sound}_got"] = answers.get()
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    main()
