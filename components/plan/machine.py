"""What this machine is, and how fast it writes, hashes and searches."""

import os
import platform
from collections.abc import Callable
from pathlib import Path

import numpy as np

from components.core.libraries import library_versions
from components.core.refs import digest_file
from components.parts import indexing
from components.parts import loading as parts
from components.plan.rates import Machine

Now = Callable[[], float]
"""Returns the time in seconds: that of the wall clock, or of the processor."""

_LIBRARIES = ("great-expectations", "numpy", "pillow", "pyarrow", "torch")
_FILE_BYTES = 64 << 20
_FEW_ROWS, _MANY_ROWS = 20_000, 100_000
_SEARCHES = 5


def machine(device: str) -> Machine:
    """This machine; ``device`` is where training runs on it."""
    gpu = None
    if device == "cuda":
        import torch

        gpu = torch.cuda.get_device_name()
    affinity = getattr(os, "sched_getaffinity", None)
    return Machine(
        processor=_processor(),
        cores=len(affinity(0)) if affinity else os.cpu_count() or 1,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        gpu=gpu,
    )


def libraries() -> dict[str, str]:
    """Versions of Python and of the libraries that shape the rates."""
    return {"python": platform.python_version(), **library_versions(_LIBRARIES)}


def output_byte_seconds(folder: Path, now: Now) -> float:
    """Seconds to write one byte to the disk under a folder and to hash it."""
    path = folder / "disk.bin"
    data = np.random.default_rng(0).bytes(_FILE_BYTES)
    start = now()
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    digest_file(path)
    found = (now() - start) / _FILE_BYTES
    path.unlink()
    return found


def search_seconds(dim: int, now: Now) -> float:
    """Seconds that one more row adds to an exact search for ten records, from two sizes."""

    def quickest(rows: int) -> float:
        vectors = np.random.default_rng(rows).normal(size=(rows, dim)).astype(np.float32)
        config = parts.configure("index", indexing.DEFAULT, {})
        index = parts.load("index", indexing.DEFAULT).build(config, dim=dim)
        index.upsert([f"{i:08d}" for i in range(rows)], vectors, {})
        times = []
        for _ in range(_SEARCHES):
            start = now()
            index.search(vectors[:1], 10)
            times.append(now() - start)
        return min(times)

    return max(0.0, quickest(_MANY_ROWS) - quickest(_FEW_ROWS)) / (_MANY_ROWS - _FEW_ROWS)


def _processor() -> str:
    """The processor's name, as Linux gives it."""
    place = Path("/proc/cpuinfo")
    lines = place.read_text(encoding="utf-8").splitlines() if place.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
