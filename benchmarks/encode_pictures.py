"""Pictures a second through the feature cache, over bare Pillow and onnxruntime.

Ours is what a run does: limits, decoding, previews, the frozen encoder ``lite`` and the cache that
is written. The bare loop opens, shrinks and scales the same JPEG files and runs the same graph
with the same threads.
Both go over all pictures in turns; the best of each counts, which limits the influence of other
work on the machine. Prints one JSON line; ``ratio`` is bare seconds over ours (1 is as fast).
"""

import io
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks._timing import report
from components.features.examine import Examiner
from components.features.spec import build_modality
from components.parts.encoders import _lite, _pth

PICTURES, SIDE, SIZE, ROUNDS, AT_ONCE = 512, 320, 128, 4, 8


def files() -> list[bytes]:
    """JPEG files of smooth noise, about as large as product photographs on the web."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(PICTURES):
        coarse = Image.fromarray(rng.integers(0, 255, (40, 30, 3)).astype(np.uint8))
        buffer = io.BytesIO()
        coarse.resize((SIDE * 3 // 4, SIDE), Image.Resampling.BICUBIC).save(buffer, "JPEG")
        found.append(buffer.getvalue())
    return found


def ours(given: list[bytes]) -> float:
    """Seconds of encoding into an empty cache."""
    options = {"encoders": {"name": "lite", "size": SIZE}}
    modality = build_modality("image", "image", options, {})
    with tempfile.TemporaryDirectory() as cache:
        start = time.perf_counter()
        Examiner(modality, Path(cache)).examine(given)
        return time.perf_counter() - start


def bare(given: list[bytes], session: Any) -> float:  # noqa: ANN401
    """Seconds of a loop without limits, previews and cache."""
    start = time.perf_counter()
    for at in range(0, len(given), AT_ONCE):
        pixels = []
        for data in given[at : at + AT_ONCE]:
            picture = Image.open(io.BytesIO(data))
            picture.draft("RGB", (2 * SIZE, 2 * SIZE))
            scaled = picture.resize((SIZE, SIZE), Image.Resampling.BILINEAR, reducing_gap=2.0)
            pixels.append(np.asarray(scaled))
        session.run(None, {"pixels": np.stack(pixels)})
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    given = files()
    session = _lite.session(_lite.graph(_pth.read(_lite.path())))
    ours(given[:AT_ONCE]), bare(given[:AT_ONCE], session)
    times = [(ours(given), bare(given, session)) for _ in range(ROUNDS)]
    best_ours, best_bare = (min(column) for column in zip(*times, strict=True))
    ratio = best_bare / best_ours
    figures = {
        "ratio": ratio,
        "pictures_per_second": PICTURES / best_ours,
        "pictures_per_second_bare": PICTURES / best_bare,
    }
    report("encode_pictures", target="ratio >= 0.8", met=ratio >= 0.8, **figures)


if __name__ == "__main__":
    main()
