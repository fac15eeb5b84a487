"""Means of consecutive stretches of a sound, which tell in what order things are heard."""

import numpy as np
from numpy.typing import NDArray


def stretches(rows: NDArray[np.float32], parts: int) -> list[NDArray[np.float32]]:
    """Means ``(width,)`` of equal stretches of ``rows (n, width)``; few rows stand in several."""
    count = len(rows)
    starts = [count * part // parts for part in range(parts)]
    ends = [max(start + 1, count * (part + 1) // parts) for part, start in enumerate(starts)]
    return [rows[start:end].mean(axis=0) for start, end in zip(starts, ends, strict=True)]
