"""The service under load, beside the same model in a plain FastAPI application.

``python -m benchmarks.serving_load PACKAGE [--seconds N] [--clients 32]`` starts both, one after
the other, asks them from another process, and prints one JSON object: latency of one client,
throughput of many, and what happens at 80% and at twice the rate of saturation. Ratios are of one
run; the load generator takes its own share of the processors.
"""

import argparse
import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import httpx
import numpy as np
import pyarrow.parquet as pq

from components.prediction.format import INDEX, RECORDS
from components.prediction.predictor import Predictor

PLAIN = """
import asyncio, sys
from pathlib import Path
from fastapi import FastAPI, Request
import base64, uvicorn
from components.prediction.predictor import Predictor

predictor, app = Predictor.load(Path(sys.argv[1])), FastAPI()
media = {n for n, m in predictor.modalities.items() if m.spec.raw == "bytes"}

@app.get("/readyz")
def ready(): return {}

@app.post("/v1/classify")
def classify(body: dict):
    records = [{n: base64.b64decode(v) if n in media else v for n, v in r.items()}
               for r in body["records"]]
    return {"answers": [{"label": p.label, "probabilities": p.probabilities}
                        for p in predictor.predict(records)]}

uvicorn.run(app, port=int(sys.argv[2]), log_level="warning")
"""
OURS = """
import sys, os
os.environ |= {"CONCORD_PACKAGE": sys.argv[1], "CONCORD_HOST": "127.0.0.1"}
import uvicorn
from pathlib import Path
from serving.worker import Serving
serving = Serving(own=Path(sys.argv[1]))
serving.begin()
uvicorn.run(serving.front, port=int(sys.argv[2]), log_level="warning", server_header=False)
"""


def records(predictor: Predictor, most: int = 200) -> list[dict[str, Any]]:
    """Records of the index, as their previews show them."""
    found = []
    listed = pq.ParquetFile(predictor.path / INDEX / RECORDS).read(columns=["id"])
    for name in listed["id"].to_pylist()[:most]:
        record: dict[str, Any] = {}
        for modality in predictor.modalities:
            if (shown := predictor.preview(name, modality)) is None:
                continue
            raw = predictor.modalities[modality].spec.raw
            record[modality] = (
                base64.b64encode(shown).decode()
                if isinstance(shown, bytes)
                else json.loads(shown)
                if raw == "fields"
                else shown
            )
        found.append(record)
    return found


@contextmanager
def running(code: str, package: Path, port: int) -> Iterator[float]:
    """A server of some code; yields the seconds until it was ready."""
    begun = perf_counter()
    process = subprocess.Popen([sys.executable, "-c", code, str(package), str(port)])
    try:
        while True:
            try:
                if httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).is_success:
                    break
            except httpx.HTTPError:
                time.sleep(0.02)
            assert process.poll() is None, "the server ended"
        yield perf_counter() - begun
    finally:
        process.terminate()
        process.wait(30)


def load(port: int, bodies: list[str], **plan: Any) -> dict[str, Any]:  # noqa: ANN401
    """What clients in another process see."""
    plan |= {"host": "127.0.0.1", "port": port, "path": "/v1/classify", "bodies": bodies}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks._load"],
        input=json.dumps(plan), stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return dict(json.loads(done.stdout))


def forward(predictor: Predictor, bodies: list[str]) -> float:
    """Median milliseconds of one record, without HTTP."""
    media = {n for n, m in predictor.modalities.items() if m.spec.raw == "bytes"}
    times = []
    for body in bodies:
        (record,) = json.loads(body)["records"]
        raw = {n: base64.b64decode(v) if n in media else v for n, v in record.items()}
        begun = perf_counter()
        predictor.predict([raw])
        times.append((perf_counter() - begun) * 1000)
    return float(np.median(times))


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=32)
    chosen = parser.parse_args()
    predictor = Predictor.load(chosen.package)
    bodies = [json.dumps({"records": [record]}) for record in records(predictor)]
    forward(predictor, bodies[:50])
    found: dict[str, Any] = {"forward_ms": round(forward(predictor, bodies), 2)}
    del predictor
    many, port = {"clients": chosen.clients, "seconds": chosen.seconds}, 38411
    for name, code in (("plain", PLAIN), ("concord", OURS)):
        with running(code, chosen.package, port) as ready:
            load(port, bodies, clients=4, seconds=2)
            seen = {"ready_s": round(ready, 2), "one": load(port, bodies, clients=1, seconds=5)}
            found[name] = seen | {"many": load(port, bodies, **many)}
            if name == "concord":
                peak = found[name]["many"]["answers_per_s"]
                for share in (0.8, 2.0):
                    rate = {"rate": share * peak, "seconds": chosen.seconds}
                    found[name][f"at_{share}"] = load(port, bodies, **rate)
        port += 1
    found["ratio"] = round(
        found["concord"]["many"]["answers_per_s"] / found["plain"]["many"]["answers_per_s"], 2
    )
    found["over_forward_ms"] = round(found["concord"]["one"]["p50"] - found["forward_ms"], 2)
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    main()
