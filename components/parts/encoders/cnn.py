"""Pictures as small pixel arrays, read by a convolutional network that is trained in the run.

Source: group normalisation, Wu & He 2018 (arXiv:1803.08494). It uses no statistics across records,
so a record gets the same answer in any batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import AfterValidator, Field

from components.core.refs import digest_json
from components.parts.contracts import Kind

KIND = "image"
VERSION = 1
LIBRARIES = ("pillow",)
GROUP = 8
"""Channels that are normalised together."""


def _whole_groups(width: int) -> int:
    if width % GROUP:
        raise ValueError(f"wanted a multiple of {GROUP}")
    return width


Side = Annotated[int, Field(ge=8, le=512)]
Width = Annotated[int, Field(ge=GROUP, le=65_536), AfterValidator(_whole_groups)]


@dataclass(frozen=True, kw_only=True)
class Config:
    """The pixels and the network.

    Attributes:
        size: height and width that every picture is scaled to.
        colour: three channels, else one (grey).
        widths: channels of each convolution.
        strides: step of each convolution; a step of 2 halves the picture.
        squeeze: channels of the last convolution, whose places are laid side by side.
        shift: training views are moved by at most this share of the size.
        zoom: training views are scaled by at most this share.
        flip: training views may be mirrored left to right.
    """

    size: tuple[Side, Side] = (32, 32)
    colour: bool = True
    widths: Annotated[tuple[Width, ...], Field(min_length=1)] = (32, 64, 64, 128, 128)
    strides: Annotated[tuple[Literal[1, 2], ...], Field(min_length=1)] = (2, 2, 1, 2, 1)
    squeeze: Annotated[int, Field(ge=1, le=65_536)] = 32
    shift: Annotated[float, Field(ge=0, le=0.5)] = 0.06
    zoom: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    flip: bool = False

    def __post_init__(self) -> None:
        if len(self.widths) != len(self.strides):
            lengths = f"{len(self.widths)} widths and {len(self.strides)} strides"
            raise ValueError(f"got {lengths}, wanted as many of both")


class CnnEncoder:
    """Pixels ``uint8 (height, width, channels)``."""

    dtype: np.dtype[Any] = np.dtype(np.uint8)

    def __init__(self, config: Config) -> None:
        self._config = config
        self.shape: tuple[int, ...] = (*config.size, 3 if config.colour else 1)
        self.detail = max(config.size)

    def digest(self) -> str:
        """SHA-256 of what shapes the pixels (not of the network, which is trained in each run)."""
        shaping = {"size": self._config.size, "colour": self._config.colour}
        return digest_json({"encoder": "cnn", "version": VERSION, **shaping})

    def encode(self, values: Sequence[Image.Image]) -> NDArray[np.uint8]:
        """Pixels ``(n, height, width, channels)``."""
        out = np.empty((len(values), *self.shape), np.uint8)
        height, width = self._config.size
        for row, value in enumerate(values):
            picture = value if self._config.colour else value.convert("L")
            if picture.size != (width, height):
                scaling = Image.Resampling.BILINEAR
                picture = picture.resize((width, height), scaling, reducing_gap=2.0)
            out[row] = np.asarray(picture).reshape(self.shape)
        return out

    def network(self) -> Any:  # noqa: ANN401
        """A new convolutional network."""
        from components.parts.encoders._cnn import ConvNetwork

        return ConvNetwork(self._config)


def build(config: Config, *, kind: Kind) -> CnnEncoder:  # noqa: ARG001
    """An encoder of pictures."""
    return CnnEncoder(config)
