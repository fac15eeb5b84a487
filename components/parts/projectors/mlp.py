"""A hidden layer beside a straight way: a projector that bends the space of a frozen encoder.

Source: residual projection heads on frozen encoders, Maniparambil et al. 2024, From unimodal to
multimodal: scaling up projectors to align modalities (arXiv:2409.19425):
``g(h) = norm(W_2 GELU(W_1 LN(h)) + W_r h)``.
"""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

METHOD = {
    "id": "A01",
    "name": "MLP projectors on frozen encoders",
    "for": "aligning encoders whose spaces no linear map makes alike, with many pairs",
    "needs": "two modalities of one record for the alignment; it works with one as well",
    "use": "model: {projector: mlp}",
}


@dataclass(frozen=True, kw_only=True)
class Config:
    """Shape of the hidden layer.

    Attributes:
        hidden: its width.
    """

    hidden: Annotated[int, Field(ge=1, le=65_536)] = 256


class MLP(nn.Module):
    """See `build`."""

    def __init__(self, width: int, hidden: int, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first, self.second = nn.Linear(width, hidden), nn.Linear(hidden, dim)
        self.straight = nn.Linear(width, dim, bias=False)
        self._length: float = dim**0.5

    def forward(self, features: Tensor) -> Tensor:
        """``(batch, width)`` to ``(batch, dim)``, of length ``sqrt(dim)`` as a layer norm's."""
        bent = self.second(F.gelu(self.first(self.norm(features))))
        return F.normalize(bent + self.straight(features), dim=1) * self._length


def build(config: Config, *, width: int, dim: int) -> nn.Module:
    """A new map from features ``(batch, width)`` to ``(batch, dim)``."""
    return MLP(width, config.hidden, dim)
