"""Shapes that cross borders inside Concord: raw values, modality kinds, model outputs."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

Raw = bytes | str | dict[str, Any]
"""One modality of one record: encoded media (image, audio), text, or fields (tabular)."""

Inputs = dict[str, Tensor]
"""Modality name to ``(batch, *shape)``; absent rows are zeros and are never read."""


class Modality(Protocol):
    """One modality of one data set: decodes, checks limits, and builds the trained part of its encoder."""

    name: str
    kind: str
    shape: tuple[int, ...]
    """Shape of one cached input."""
    dtype: np.dtype[Any]

    def digest(self) -> str:
        """SHA-256 of all that shapes a cached input: kind, options, limits, digest of frozen weights."""
        ...

    def content(self, raw: Raw) -> bytes:
        """The bytes of a raw value that identify it in the feature cache."""
        ...

    def check(self, raw: Raw) -> None:
        """Raise ``BadInput`` if the value breaks a limit or cannot be decoded."""
        ...

    def encode(self, raws: list[Raw]) -> NDArray[Any]:
        """Cached inputs ``(len(raws), *shape)``: decoded values, or features of a frozen encoder."""
        ...

    def preview(self, raw: Raw) -> bytes | str:
        """A small form to show: encoded picture of at most 96 pixels, text, or JSON of the fields."""
        ...

    def encoder(self) -> "Encoder":
        """A new trainable encoder for these cached inputs."""
        ...


class Encoder(nn.Module):
    """Maps cached inputs ``(batch, *shape)`` to features ``(batch, out_dim)``."""

    out_dim: int

    def fit(self, inputs: Tensor) -> None:
        """Set buffers (means, scales) from the training inputs ``(n, *shape)``; nothing by default."""

    def augment(self, inputs: Tensor) -> Tensor:
        """A training view of inputs; the identity by default. Randomness comes from torch's global generator."""
        return inputs


@dataclass(frozen=True, kw_only=True)
class ModelOutput:
    """What the model says of a batch.

    Attributes:
        logits: ``(batch, classes)`` of the fused vector.
        modality_logits: modality name to ``(batch, classes)``; rows where it is absent mean nothing.
        embeddings: modality name to unit vectors ``(batch, dim)``; rows where it is absent are zero.
        fused: unit vectors ``(batch, dim)``.
    """

    logits: Tensor
    modality_logits: dict[str, Tensor]
    embeddings: dict[str, Tensor]
    fused: Tensor
