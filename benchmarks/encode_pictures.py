"""Pictures a second through the feature cache, over bare Pillow and onnxruntime.

Ours is what ``validate`` does: limits, decoding and previews in a pool of threads, the frozen
encoder ``lite`` and the cache that is written. The bare loop opens, shrinks and scales the same
JPEG files one after the other and runs the same graph with as many threads; ``processor_ratio``
compares the work alone.
Both go over all pictures in turns; the best of each counts, which limits the influence of other
work on the machine. Prints one JSON line; ``ratio`` is bare seconds over ours (1 is as fast), and
``processor_ratio`` the same of processor time, which other work hardly changes.
"""

import io
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image

from benchmarks._timing import report
from components.features.examine import Examiner
from components.features.modality import build_modality
from components.parts.encoders import _lite, _pth

PICTURES, SIDE, SIZE, ROUNDS, AT_ONCE = 512, 320, 128, 6, 8


def files(count: int = PICTURES, seed: int = 0) -> list[bytes]:
    """JPEG files of smooth noise, about as large as product photographs on the web."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        coarse = Image.fromarray(rng.integers(0, 255, (40, 30, 3)).astype(np.uint8))
        buffer = io.BytesIO()
        coarse.resize((SIDE * 3 // 4, SIDE), Image.Resampling.BICUBIC).save(buffer, "JPEG")
        found.append(buffer.getvalue())
    return found


Times = tuple[float, float]
"""Seconds on the wall, and of the processor."""


def now() -> Times:
    """Both clocks."""
    return time.perf_counter(), time.process_time()


def since(start: Times) -> Times:
    """What passed on both clocks."""
    return time.perf_counter() - start[0], time.process_time() - start[1]


def ours(given: list[bytes]) -> Times:
    """Time of encoding into an empty cache."""
    options = {"encoders": {"name": "lite", "size": SIZE}}
    modality = build_modality("image", "image", options, {})
    with tempfile.TemporaryDirectory() as cache, ThreadPoolExecutor() as pool:
        start = now()
        Examiner(modality, Path(cache)).examine(given, pool.map)
        return since(start)


def bare(given: list[bytes], session: Any) -> Times:  # noqa: ANN401
    """Time of a loop without limits, previews and cache."""
    start = now()
    for at in range(0, len(given), AT_ONCE):
        pixels = []
        for data in given[at : at + AT_ONCE]:
            picture = Image.open(io.BytesIO(data))
            picture.draft("RGB", (2 * SIZE, 2 * SIZE))
            scaled = picture.resize((SIZE, SIZE), Image.Resampling.BILINEAR, reducing_gap=2.0)
            pixels.append(np.asarray(scaled))
        session.run(None, {"pixels": np.stack(pixels)})
    return since(start)


def main() -> None:
    """Measure and print."""
    given = files()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(_lite.graph(_pth.read(_lite.path())), options)
    ours(given[:AT_ONCE]), bare(given[:AT_ONCE], session)
    times = [(*ours(given), *bare(given, session)) for _ in range(ROUNDS)]
    wall, processor, bare_wall, bare_processor = (
        min(column) for column in zip(*times, strict=True)
    )
    ratio = bare_wall / wall
    figures = {
        "ratio": ratio,
        "processor_ratio": bare_processor / processor,
        "pictures_per_second": PICTURES / wall,
        "pictures_per_second_bare": PICTURES / bare_wall,
    }
    report("encode_pictures", target="ratio >= 0.8", met=ratio >= 0.8, **figures)


if __name__ == "__main__":
    main()
