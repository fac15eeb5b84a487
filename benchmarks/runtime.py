"""A packaged model by onnxruntime and by torch: ``python -m benchmarks.runtime PACKAGE``.

Answers the same encoded records with both in turn, one record and 64, and prints medians in
milliseconds, with one and two threads of onnxruntime; then seconds and megabytes of a fresh process
that loads the package and answers one record. The package has an export.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from components.features.rows import placed, sparse_rows
from components.model.onnx_runtime import OnnxRuntime
from components.model.runtime import GRAPH, Chosen
from components.model.torch_runtime import TorchRuntime
from components.parts.session import session

ROUNDS = 30
_FRESH = """
import sys, time
began = time.perf_counter()
from pathlib import Path
from components.prediction.predictor import Predictor
predictor = Predictor.load(Path(sys.argv[1]))
ready = time.perf_counter() - began
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(ready, int(status["VmHWM"].split()[0]) / 1024, "torch" in sys.modules)
"""


def inputs(runtime: OnnxRuntime, n: int) -> tuple[dict[str, object], np.ndarray]:
    """Random inputs of ``n`` records that have everything."""
    rng, arrays = np.random.default_rng(0), {}
    for name in runtime.names:
        spec = runtime.specs[name]
        for view, own in zip(spec.names(name), spec.views, strict=True):
            if own.sparse:
                at = np.sort(rng.choice(own.shape[0], (n, 60), replace=True), axis=1)
                lengths = np.full(n, 60, np.int64)
                rows = sparse_rows(np.ones(n * 60, np.float32), at.ravel(), lengths, own.shape[0])
                arrays[view] = placed(rows, np.arange(n), n)
            elif own.dtype == "uint8":
                arrays[view] = rng.integers(0, 256, (n, *own.shape)).astype(np.uint8)
            else:
                arrays[view] = rng.normal(size=(n, *own.shape)).astype(own.dtype)
    return arrays, np.ones((n, len(runtime.names)), np.bool_)


def milliseconds(*calls: Callable[[], object]) -> list[float]:
    """The median of each call, taken in turn."""
    for call in calls:
        call()
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(ROUNDS):
        for call, own in zip(calls, times, strict=True):
            began = time.perf_counter()
            call()
            own.append(1e3 * (time.perf_counter() - began))
    return [round(statistics.median(own), 2) for own in times]


def main() -> None:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=Path)
    package = parser.parse_args().package
    chosen = Chosen(name="onnx")
    by_torch = TorchRuntime.load(package, Chosen(name="torch"))
    by_onnx, by_two = OnnxRuntime(package, chosen), OnnxRuntime(package, chosen)
    by_two._session = session(package / GRAPH, threads=2)
    found: dict[str, object] = {}
    for n in (1, 64):
        arrays, present = inputs(by_onnx, n)
        times = milliseconds(
            lambda: by_torch.answer(arrays, present),  # noqa: B023 - called at once
            lambda: by_onnx.answer(arrays, present),  # noqa: B023
            lambda: by_two.answer(arrays, present),  # noqa: B023
        )
        found[f"ms_{n}"] = dict(zip(("torch", "onnx", "onnx_two_threads"), times, strict=True))
    command = [sys.executable, "-c", _FRESH, str(package)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    found |= {"ready_s": round(float(told[0]), 2), "peak_mb": round(float(told[1]))}
    sys.stdout.write(json.dumps(found | {"torch_imported": told[2] == "True"}) + "\n")


if __name__ == "__main__":
    main()
