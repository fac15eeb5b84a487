"""Small sounds for tests, as the bytes of files."""

import io

import numpy as np
import soundfile
from numpy.typing import NDArray


def encoded(
    samples: NDArray[np.floating], rate: int = 16_000, container: str = "WAV", **options: str
) -> bytes:
    """The file of samples ``(n,)`` or ``(n, channels)``."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=container, **options)
    return buffer.getvalue()


def wave(hertz: float, seconds: float = 0.5, rate: int = 16_000, peak: float = 0.5):
    """Samples of a tone."""
    return peak * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def tone(hertz: float = 440.0, seconds: float = 0.5) -> bytes:
    """A WAV file of a tone."""
    return encoded(wave(hertz, seconds))
