"""Another rate of samples, by a polyphase filter in numpy.

Source: Crochiere & Rabiner 1983 (Multirate Digital Signal Processing, ch. 4); the filter is the one
of ``scipy.signal.resample_poly``: a Kaiser window (beta 5), 10 periods of the lower rate a side.
"""

import numpy as np
from numpy.typing import NDArray

_PERIODS, _BETA = 10, 5.0


def resampled(samples: NDArray[np.float32], up: int, down: int) -> NDArray[np.float32]:
    """Samples ``(n,)`` at ``up / down`` of their rate, ``(ceil(n * up / down),)``.

    Args:
        samples: zeros are thought before and after them.
        up: whole number without a common divisor with ``down``.
        down: whole number.
    """
    half = _PERIODS * max(up, down)
    taps = _filter(half, max(up, down)) * np.float32(up)
    reach = half // up + 1  # samples on each side that a filter reads
    # Where a phase would read beyond the filter it reads a zero.
    centre = up * (reach + 1)
    wide = np.pad(taps, centre - half)
    offsets = up * np.arange(-reach, reach + 1)
    padded = np.pad(samples, (reach, reach + down))
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)
    out = np.empty(-(-len(samples) * up // down), np.float32)
    # Every `up`-th sample of the result reads the same taps, `down` samples later.
    for start in range(min(up, len(out))):
        first, phase = divmod(start * down, up)
        count = len(range(start, len(out), up))
        out[start::up] = windows[first::down][:count] @ wide[centre + phase - offsets]
    return out


def _filter(half: int, lower: int) -> NDArray[np.float32]:
    """A low-pass ``(2 * half + 1,)`` with the sum 1, made of one side: it has millions of taps."""
    at = np.arange(half + 1)
    side = np.sinc(at / lower)
    side *= np.i0(_BETA * np.sqrt(1 - np.square(at / half)))
    side /= 2 * side.sum() - side[0]
    side = side.astype(np.float32)
    return np.concatenate([side[:0:-1], side])
