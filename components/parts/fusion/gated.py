"""Modality attention: each record weighs its own modalities; absent ones weigh nothing.

Source: F02 (a): ``g = softmax_m(v . tanh(W_m h_m) + log a_m)``, ``z = sum_m g_m P_m h_m``.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from components.core.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Config:
    """How gates are made.

    Attributes:
        hidden: width of the gate's layer.
        floor: least weight that a present modality keeps, shared out of 1; 0 lets a modality be ignored.
    """

    hidden: int = 64
    floor: float = 0.0

    def __post_init__(self) -> None:
        if self.hidden < 1 or not 0 <= self.floor < 0.5:
            raise UsageError(
                f"gated: got hidden {self.hidden} and floor {self.floor}, wanted at least 1 and 0 to 0.5"
            )


def gate(scores: Tensor, present: Tensor, floor: float = 0.0) -> Tensor:
    """Weights of modalities ``(batch, modalities)`` that sum to 1, zero where absent.

    With a floor each present modality gets ``floor / count + (1 - floor) * softmax``, so that none falls below its share.

    >>> gate(torch.tensor([[1.0, 1.0, 9.0]]), torch.tensor([[True, True, False]])).tolist()
    [[0.5, 0.5, 0.0]]
    """
    weights = scores.float().masked_fill(~present, -torch.inf).softmax(dim=1)
    even = present / present.sum(dim=1, keepdim=True)
    return floor * even + (1 - floor) * weights


class Gated(nn.Module):
    """``{name: (batch, dim)}`` and ``(batch, modalities)`` to ``(batch, dim)``."""

    def __init__(self, config: Config, names: tuple[str, ...], dim: int, dropout: float) -> None:
        super().__init__()
        self._names, self._floor = names, config.floor
        self.score = nn.ModuleDict({name: nn.Linear(dim, config.hidden) for name in names})
        self.vector = nn.Linear(config.hidden, 1, bias=False)
        self.value = nn.ModuleDict({name: nn.Linear(dim, dim) for name in names})
        self.dropout = nn.Dropout(dropout)

    def weights(self, parts: dict[str, Tensor], present: Tensor) -> Tensor:
        """How much each modality counts in each record, ``(batch, modalities)``."""
        scores = torch.cat(
            [self.vector(torch.tanh(self.score[name](parts[name]))) for name in self._names], dim=1
        )
        return gate(scores, present, self._floor)

    def forward(self, parts: dict[str, Tensor], present: Tensor) -> Tensor:
        """Mix parts by their weights."""
        weights = self.weights(parts, present)
        values = torch.stack([self.value[name](parts[name]) for name in self._names], dim=1)
        fused: Tensor = self.dropout(
            F.gelu((weights[:, :, None].to(values.dtype) * values).sum(dim=1))
        )
        return fused


def build(config: Config, *, names: tuple[str, ...], dim: int, dropout: float) -> Gated:
    """A new gate over modalities in this order."""
    return Gated(config, names, dim, dropout)
