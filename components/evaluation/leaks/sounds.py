"""Landmarks of sounds: pairs of spectral peaks, which encoding again and cutting leave.

Source: Wang 2003 (An Industrial-Strength Audio Search Algorithm); bands and fan-out are our own.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

_WINDOW, _HOP = 1024, 256
"""Samples at 16 kHz."""
_EDGES = np.unique(np.geomspace(4, _WINDOW // 2, 13).astype(int))
"""Bands of the spectrum, of which each has one peak in a frame."""
_NEAR = 4
"""Frames on either side that a peak is louder than."""
_FAN, _APART = 4, 48
"""Later peaks that a peak is paired with, within so many frames."""
_QUIET = 1e-3
"""Share of the loudest peak below which a peak is noise."""


def landmarks(samples: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Hashes of the landmarks of a sound ``(n,)`` at 16 kHz."""
    if len(samples) < _WINDOW:
        return np.zeros(0, np.uint32)
    frames = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(_WINDOW).astype(np.float32), axis=1))
    bands = list(pairwise(_EDGES.tolist()))
    loud = np.stack([power[:, low:high].max(axis=1) for low, high in bands], axis=1)
    bins = np.stack([power[:, low:high].argmax(axis=1) + low for low, high in bands], axis=1)
    padded = np.pad(loud, ((_NEAR, _NEAR), (0, 0)), constant_values=-1.0)
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * _NEAR + 1, axis=0).max(axis=2)
    frame, band = np.nonzero((loud >= around) & (loud > _QUIET * loud.max(initial=0.0)))
    found = []
    pitch = bins[frame, band].astype(np.uint32)
    for later in range(1, _FAN * len(bands)):
        apart = frame[later:] - frame[:-later]
        good = (apart > 0) & (apart <= _APART)
        pair = (pitch[:-later][good] << 20) | (pitch[later:][good] << 8)
        found.append(pair | apart[good].astype(np.uint32))
    mixed = np.concatenate([np.zeros(0, np.uint32), *found])
    # Multiplied so that the smallest ones are a fair sample, whatever their pitch (Knuth 6.4).
    return mixed * np.uint32(2_654_435_761)
