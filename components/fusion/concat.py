"""Late concatenation: all parts side by side with their presence bits, through one hidden layer.

Source: F01, late concatenation baseline: ``z = GELU(W [h_1; ..; h_M; a] + b)``.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True, kw_only=True)
class Config:
    """No options: the default that every other fusion must beat."""


class Concat(nn.Module):
    """``{name: (batch, dim)}`` and ``(batch, modalities)`` to ``(batch, dim)``."""

    def __init__(self, names: tuple[str, ...], dim: int, dropout: float) -> None:
        super().__init__()
        self._names = names
        self.mix = nn.Linear(len(names) * (dim + 1), dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, parts: dict[str, Tensor], present: Tensor) -> Tensor:
        """Mix parts; absent ones already hold their learned vector."""
        joined = torch.cat([*(parts[name] for name in self._names), present.to(parts[self._names[0]].dtype)], dim=1)
        fused: Tensor = self.dropout(F.gelu(self.mix(joined)))
        return fused


def build(config: Config, *, names: tuple[str, ...], dim: int, dropout: float) -> Concat:  # noqa: ARG001
    """A new concatenation of modalities in this order."""
    return Concat(names, dim, dropout)
