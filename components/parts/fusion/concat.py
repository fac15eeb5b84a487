"""Late concatenation: all parts side by side with their presence bits, through one hidden layer.

Source: late concatenation as in Ngiam et al. 2011, Multimodal deep learning: ``z = V GELU(norm(W
[h_1; ..; h_M; a] + b))``. The presence bits, the normalisation (Ba et al. 2016, arXiv:1607.06450)
and the last map are added because they raised accuracy on real data sets.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

METHOD = {
    "id": "F01",
    "name": "concatenate and classify (late concatenation)",
    "for": "the default: one vector of all modalities of a record",
    "needs": "nothing beside records with labels; more than one modality, to gain from it",
    "use": "model: {fusion: concat}",
}


@dataclass(frozen=True, kw_only=True)
class Config:
    """The default that every other fusion must beat.

    Attributes:
        hidden: width of the hidden layer.
    """

    hidden: Annotated[int, Field(ge=1, le=65_536)] = 256


class Concat(nn.Module):
    """Concatenation of modalities ``names``, mixed by one hidden layer."""

    def __init__(self, config: Config, names: tuple[str, ...], dim: int, dropout: float) -> None:
        super().__init__()
        self._names = names
        self.mix = nn.Sequential(
            nn.Linear(len(names) * (dim + 1), config.hidden),
            nn.LayerNorm(config.hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(config.hidden, dim),
        )

    def forward(self, parts: dict[str, Tensor], present: Tensor) -> Tensor:
        """Mix the modalities of each record.

        Args:
            parts: modality name to ``(batch, dim)``; absent rows already hold their learned vector.
            present: ``(batch, modalities)``, in the order of ``names``.

        Returns:
            ``(batch, dim)``.
        """
        joined = torch.cat(
            [*(parts[name] for name in self._names), present.to(parts[self._names[0]].dtype)], dim=1
        )
        fused: Tensor = self.mix(joined)
        return fused


def build(config: Config, *, names: tuple[str, ...], dim: int, dropout: float) -> Concat:
    """A new concatenation of modalities in this order."""
    return Concat(config, names, dim, dropout)
