"""Log-mel spectra of sounds at 16 kHz: 64 bands, windows of 25 ms, one every 10 ms.

Source: mel scale, O'Shaughnessy 1987 (Speech Communication, p. 150): m = 2595 log10(1 + f / 700);
triangular filters, Davis & Mermelstein 1980 (IEEE TASSP 28:4); Hann window, Harris 1978
(Proceedings of the IEEE 66:1).
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from components.parts.kinds.audio import RATE

BANDS = 64
WINDOW, STEP = RATE // 40, RATE // 100
"""Samples of a window and from one to the next."""
_LENGTH = 512
"""Samples of a Fourier transform: a window and zeros."""
_LEAST = 1e-6
"""Added to the energy of a band, as noise that nobody hears."""
_AT_ONCE = 2048
"""Windows that are transformed together."""


@lru_cache(maxsize=1)
def filters() -> NDArray[np.float32]:
    """Weights ``(frequencies, bands)`` of triangles, evenly spaced in mel from 0 to 8 kHz."""
    top = 2595 * np.log10(1 + RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, BANDS + 2) / 2595) - 1)
    at = np.fft.rfftfreq(_LENGTH, 1 / RATE)[:, None]
    rising = (at - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - at) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


@lru_cache(maxsize=1)
def _window() -> NDArray[np.float32]:
    """A periodic Hann window."""
    return np.hanning(WINDOW + 1)[:-1].astype(np.float32)


def energies(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Energy ``(windows, bands)``; a sound that is shorter than a window is filled with silence."""
    if len(samples) < WINDOW:
        samples = np.pad(samples, (0, WINDOW - len(samples)))
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::STEP]
    parts = []
    for start in range(0, len(windows), _AT_ONCE):
        spectrum = np.fft.rfft(windows[start : start + _AT_ONCE] * _window(), _LENGTH)
        parts.append((spectrum.real**2 + spectrum.imag**2).astype(np.float32) @ filters())
    return np.concatenate(parts)


def log(energy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Natural logarithm of energies, at least -14."""
    spectra: NDArray[np.float32] = np.log(energy + np.float32(_LEAST))
    return spectra
