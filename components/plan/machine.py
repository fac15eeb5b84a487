"""What this machine is and how fast its disk, its hashing and its exact search are."""

import importlib.metadata
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from components.core.refs import digest_file
from components.evaluation.retrieval import retrieval
from components.parts import indexing
from components.parts import loading as parts
from components.plan.profile import Disk, Machine

_FILE_BYTES = 64 << 20
_PAGE = 4096
_RANDOM_READS = 200
_LIBRARIES = ("torch", "numpy", "pyarrow", "pillow", "great-expectations")


def machine(device: str) -> Machine:
    """This machine; ``device`` is where training was measured."""
    gpu = None
    if device == "cuda":
        import torch

        gpu = torch.cuda.get_device_name()
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count() or 1,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        gpu=gpu,
    )


def versions() -> dict[str, str]:
    """Of Python and the libraries that shape the rates."""
    return {
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in _LIBRARIES},
    }


def disk(folder: Path) -> tuple[Disk, float]:
    """Rates of the disk under a folder, and bytes hashed in a second.

    Reads are made after the kernel was asked to forget the file (``posix_fadvise``); a cache outside this machine may still
    hold it, so that the figures are an upper limit of the disk's speed.
    """
    path = folder / "disk.bin"
    data = np.random.default_rng(0).bytes(_FILE_BYTES)

    def write() -> None:
        with path.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    written, hashed = seconds(write), seconds(lambda: digest_file(path))
    _forget(path)
    read = seconds(lambda: _read_all(path))
    _forget(path)
    places = np.random.default_rng(1).integers(0, _FILE_BYTES // _PAGE, _RANDOM_READS) * _PAGE
    random = seconds(lambda: _read_at(path, places.tolist()))
    path.unlink()
    rates = Disk(
        write_bytes_per_second=_FILE_BYTES / written,
        read_bytes_per_second=_FILE_BYTES / read,
        random_read_seconds=random / _RANDOM_READS,
    )
    return rates, _FILE_BYTES / hashed


def retrieval_cell(dim: int, now: Callable[[], float] = time.perf_counter) -> float:
    """Seconds of one inner product in the search figures, from two sizes."""
    small, large = 600, 1800

    def measure(n: int) -> float:
        rng = np.random.default_rng(n)
        vectors = rng.normal(size=(n, dim)).astype(np.float32)
        groups = np.arange(n)
        return seconds(lambda: retrieval(vectors, vectors, groups, groups), now)

    measure(small)
    return max(0.0, measure(large) - measure(small)) / (large**2 - small**2)


def search_row(dim: int) -> float:
    """Seconds that one more row costs an exact search for ten records, from two sizes."""
    small, large = 20_000, 100_000

    def measure(n: int) -> float:
        vectors = np.random.default_rng(n).normal(size=(n, dim)).astype(np.float32)
        ids = [f"{i:08d}" for i in range(n)]
        config = parts.configure("index", indexing.DEFAULT, {})
        index = parts.load("index", indexing.DEFAULT).build(config, dim=dim)
        index.upsert(ids, vectors, {})
        return min(seconds(lambda: index.search(vectors[:1], 10)) for _ in range(5))

    return max(0.0, measure(large) - measure(small)) / (large - small)


def seconds(work: Callable[[], object], now: Callable[[], float] = time.perf_counter) -> float:
    """How long some work takes; ``now`` tells the time."""
    start = now()
    work()
    return now() - start


def _processor() -> str:
    """The processor's name, as Linux gives it."""
    place = Path("/proc/cpuinfo")
    lines = place.read_text(encoding="utf-8").splitlines() if place.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _forget(path: Path) -> None:
    if hasattr(os, "posix_fadvise"):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _read_all(path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        while file.read(1 << 20):
            pass


def _read_at(path: Path, places: list[int]) -> None:
    with path.open("rb", buffering=0) as file:
        for place in places:
            os.pread(file.fileno(), _PAGE, place)
