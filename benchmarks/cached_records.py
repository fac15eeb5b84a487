"""Time and memory of training on very many cached records: ``python -m benchmarks.cached_records``.

The views of three frozen encoders (1280, 512 and 384 numbers) of random records lie on disk, as a
run caches them, and are mapped into memory. Prints one JSON line. ``--records 1000000 --epochs 1``
shows the memory of a million: ``anonymous_gb`` is what the process itself holds at most, without
pages of the mapped files, which the system drops when it needs room; 10 GB of disk are needed.
"""

import argparse
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from benchmarks._timing import report
from benchmarks.training_loop import CACHED, Given, given, losses, model
from components.config.run import TrainingConfig
from components.training.loop import fit

WIDTHS = {"image/lite": 1280, "text/hashing": 512, "text/minilm": 384}
SECONDS, GIGABYTES = 60.0, 4.0
_AT_ONCE = 50_000


def on_disk(folder: Path, records: int) -> Given:
    """Random views of so many records, in files that are mapped into memory."""
    rng, arrays = np.random.default_rng(0), {}
    for view, width in WIDTHS.items():
        path = folder / f"{view.replace('/', '-')}.npy"
        file = np.lib.format.open_memmap(path, "w+", np.float32, (records, width))
        for start in range(0, records, _AT_ONCE):
            rows = file[start : start + _AT_ONCE]
            rng.standard_normal(out=rows, dtype=np.float32)
        file.flush()
        del file
        arrays[view] = np.load(path, mmap_mode="r")
    return given(CACHED, arrays)


class Peak(threading.Thread):
    """Watches what this process holds in memory beside mapped files; Linux only."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.gigabytes = 0.0
        self._done = threading.Event()

    def run(self) -> None:
        """Look ten times a second."""
        while not self._done.wait(0.1):
            status = Path("/proc/self/status").read_text()
            kilobytes = int(status.partition("RssAnon:")[2].split()[0])
            self.gigabytes = max(self.gigabytes, kilobytes * 1024 / 1e9)

    def stop(self) -> float:
        """The most that was seen, in GB."""
        self._done.set()
        self.join()
        return self.gigabytes


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch", type=int, default=TrainingConfig().batch_size)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data, specs = on_disk(Path(folder), chosen.records)
        peak = Peak()
        peak.start()
        start = time.perf_counter()
        config = TrainingConfig(device="cpu", batch_size=chosen.batch)
        fitted = fit(model(specs), losses(), data, config, epochs=chosen.epochs)
        seconds = time.perf_counter() - start
        gigabytes = peak.stop()
    figures = {
        "records": chosen.records, "epochs": chosen.epochs, "seconds": seconds,
        "ms_per_step": 1000 * seconds / fitted.steps, "anonymous_gb": gigabytes,
    }  # fmt: skip
    target = f"at most {SECONDS:.0f} s for 100,000 records and 20 epochs; {GIGABYTES:.0f} GB"
    budget = SECONDS * chosen.records * chosen.epochs / 2_000_000
    met = seconds <= budget and gigabytes <= GIGABYTES
    report("cached_records", target=target, met=met, **figures)


if __name__ == "__main__":
    main()
