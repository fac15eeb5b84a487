"""Late concatenation: all parts side by side with their presence bits, through one hidden layer.

Source: F01, late concatenation baseline: ``z = V GELU(norm(W [h_1; ..; h_M; a] + b))``; the normalisation and the last map are
ours, since they paid on real sets.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from components.core.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Config:
    """The default that every other fusion must beat.

    Attributes:
        hidden: width of the hidden layer.
    """

    hidden: int = 256

    def __post_init__(self) -> None:
        if self.hidden < 1:
            raise UsageError(f"concat hidden: got {self.hidden}, wanted at least 1")


class Concat(nn.Module):
    """``{name: (batch, dim)}`` and ``(batch, modalities)`` to ``(batch, dim)``."""

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
        """Mix parts; absent ones already hold their learned vector."""
        joined = torch.cat(
            [*(parts[name] for name in self._names), present.to(parts[self._names[0]].dtype)], dim=1
        )
        fused: Tensor = self.mix(joined)
        return fused


def build(config: Config, *, names: tuple[str, ...], dim: int, dropout: float) -> Concat:
    """A new concatenation of modalities in this order."""
    return Concat(config, names, dim, dropout)
