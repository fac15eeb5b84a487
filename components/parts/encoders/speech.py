"""Speech by a frozen network that knows how words sound; its weights come from a Python package.

It was made for words, and tells other sounds apart less well than ``logmel``. It needs Linux on
x86-64.

Source: speech embedding, Lin et al. 2020 (arXiv:2002.01322), from the package ``pyopen-wakeword``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from components.core.refs import digest_json
from components.parts.contracts import Kind
from components.parts.encoders._stretches import stretches
from components.parts.kinds.audio import Sound

KIND = "audio"
VERSION = 1
LIBRARIES = ("pyopen-wakeword",)
_STRETCHES = 3
_EMBEDDING = 96


@dataclass(frozen=True, kw_only=True)
class Config:
    """How speech is encoded.

    Attributes:
        dropout: share of a vector's numbers that are hidden from the network in each training step.
    """

    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


class SpeechEncoder:
    """Vectors ``float32 (480,)``: mean, largest and the means of three stretches of embeddings."""

    shape: tuple[int, ...] = ((2 + _STRETCHES) * _EMBEDDING,)
    dtype: np.dtype[Any] = np.dtype(np.float32)
    detail = 0
    pace = 0.075
    """Measured on one core of a server of 2025."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def digest(self) -> str:
        """SHA-256 of the version and the frozen weights."""
        from components.parts.encoders import _speech

        return digest_json({"encoder": "speech", "version": VERSION, "weights": _speech.digest()})

    def encode(self, values: Sequence[Sound]) -> NDArray[np.float32]:
        """Vectors ``(n, 480)``."""
        from components.parts.encoders import _speech

        out = np.empty((len(values), *self.shape), np.float32)
        for row, value in enumerate(values):
            out[row] = _summary(_speech.embeddings(value.samples))
        return out

    def network(self) -> Any:  # noqa: ANN401
        """A layer that centres the frozen vectors."""
        from components.parts.network import CentredNetwork

        return CentredNetwork(self.shape[0], self._config.dropout)


def _summary(found: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.concatenate([found.mean(axis=0), found.max(axis=0), *stretches(found, _STRETCHES)])


def build(config: Config, *, kind: Kind) -> SpeechEncoder:  # noqa: ARG001
    """An encoder of speech."""
    return SpeechEncoder(config)
