"""Sounds as small pictures of their log-mel spectrum, read by a network that is trained in the run.

The silence around a sound is cut off, a long sound is cut to its loudest stretch, and what is left
fills the whole width: short words become as long as long ones.

Source: convolutional networks on log-mel spectra, Hershey et al. 2017 (arXiv:1609.09430); group
normalisation, Wu & He 2018 (arXiv:1803.08494).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from components.core.refs import digest_json
from components.parts.contracts import Kind
from components.parts.encoders import _logmel as mel
from components.parts.encoders import cnn
from components.parts.kinds.audio import RATE, Sound

KIND = "audio"
VERSION = 1
LIBRARIES: tuple[str, ...] = ()
_FAINT, _LOUD = -14.0, 12.0
"""Logarithms of the energies that become black and white."""
_QUIET = 1e-5
"""Share of the loudest window's energy below which the ends of a sound are silence."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """The picture and the network.

    Attributes:
        columns: width of the picture.
        seconds: longer sounds are cut to their loudest stretch of this length.
        squeeze: channels of the last convolution, whose places are laid side by side.
        shift: training views are moved in time and pitch by at most this share of the picture.
    """

    columns: Annotated[int, Field(ge=16, le=512)] = 128
    seconds: Annotated[float, Field(ge=0.1, le=600)] = 5.0
    squeeze: Annotated[int, Field(ge=1, le=65_536)] = 32
    shift: Annotated[float, Field(ge=0, le=0.5)] = 0.06


class MelcnnEncoder:
    """Pictures ``uint8 (64, columns, 1)``, low bands first."""

    dtype: np.dtype[Any] = np.dtype(np.uint8)
    detail = 0

    def __init__(self, config: Config) -> None:
        self._config = config
        self.shape: tuple[int, ...] = (mel.BANDS, config.columns, 1)

    def digest(self) -> str:
        """SHA-256 of what shapes the pictures (not of the network, which is trained)."""
        shaping = {"columns": self._config.columns, "seconds": self._config.seconds}
        return digest_json({"encoder": "melcnn", "version": VERSION, **shaping})

    def encode(self, values: Sequence[Sound]) -> NDArray[np.uint8]:
        """Pictures ``(n, 64, columns, 1)``."""
        out = np.empty((len(values), *self.shape), np.uint8)
        most = max(1, round(self._config.seconds * RATE / mel.STEP))
        for row, value in enumerate(values):
            energy = _loudest(_without_ends(mel.energies(value.samples)), most)
            spectra = mel.log(_spread(energy, self._config.columns))
            shade = (spectra - _FAINT) / (_LOUD - _FAINT)
            out[row] = np.rint(255 * np.clip(shade, 0, 1)).T[:, :, None]
        return out

    def network(self) -> Any:  # noqa: ANN401
        """A new convolutional network, that of pictures."""
        from components.parts.encoders._cnn import ConvNetwork

        picture = cnn.Config(
            size=(mel.BANDS, self._config.columns),
            colour=False,
            strides=(2, 2, 2, 2, 1),
            squeeze=self._config.squeeze,
            shift=self._config.shift,
        )
        return ConvNetwork(picture)


def _without_ends(energy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Spectra ``(windows, bands)`` from the first to the last window that is heard."""
    loudness = energy.sum(axis=1)
    heard = np.flatnonzero(loudness >= _QUIET * loudness.max())
    return energy[heard[0] : heard[-1] + 1]


def _loudest(energy: NDArray[np.float32], most: int) -> NDArray[np.float32]:
    """The stretch of at most so many windows that has most energy, the first of equal ones."""
    if len(energy) <= most:
        return energy
    summed = np.concatenate([[0.0], np.cumsum(energy.sum(axis=1, dtype=np.float64))])
    start = int(np.argmax(summed[most:] - summed[:-most]))
    return energy[start : start + most]


def _spread(energy: NDArray[np.float32], columns: int) -> NDArray[np.float32]:
    """Mean energy ``(columns, bands)`` of equal parts of ``(windows, bands)``.

    A window that two parts share counts in both, by what each has of it.
    """
    zero = np.zeros((1, energy.shape[1]))
    summed = np.concatenate([zero, np.cumsum(energy, axis=0, dtype=np.float64), zero])
    summed[-1] = summed[-2]  # read with a weight of 0
    at = np.linspace(0, len(energy), columns + 1)
    whole = at.astype(np.int64)
    part = (at - whole)[:, None]
    until = (1 - part) * summed[whole] + part * summed[whole + 1]
    means: NDArray[np.float32] = np.diff(until, axis=0).astype(np.float32)
    return means * np.float32(columns / len(energy))


def build(config: Config, *, kind: Kind) -> MelcnnEncoder:  # noqa: ARG001
    """An encoder of sounds."""
    return MelcnnEncoder(config)
