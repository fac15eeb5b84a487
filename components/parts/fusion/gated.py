"""Modality attention: each record weighs its own modalities; absent ones weigh nothing.

Source: gated units of Arevalo et al. 2017 (arXiv:1702.01992) with the attention of Bahdanau et al.
2015 (arXiv:1409.0473) over modalities: ``g = softmax_m(v . tanh(W_m h_m) + log a_m)``, ``z =
GELU(sum_m g_m P_m h_m)``.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from components.parts.fusion._gate import gate
from components.parts.network import Fused

METHOD = {
    "id": "F02a",
    "name": "gated fusion (modality attention)",
    "for": "records whose modalities are not equally good",
    "needs": "two modalities",
    "use": "model: {fusion: {name: gated, floor: 0.2}}",
}


@dataclass(frozen=True, kw_only=True)
class Config:
    """Shape of the gates.

    Attributes:
        hidden: width of the gate's layer.
        floor: least weight that a present modality keeps, a share of 1; 0 allows a modality to be
            ignored.
    """

    hidden: Annotated[int, Field(ge=1, le=65_536)] = 64
    floor: Annotated[float, Field(ge=0, lt=0.5)] = 0.0


class Gated(nn.Module):
    """Attention over modalities ``names``."""

    def __init__(self, config: Config, names: tuple[str, ...], dim: int, dropout: float) -> None:
        super().__init__()
        self._names, self._floor = names, config.floor
        self.score = nn.ModuleDict({name: nn.Linear(dim, config.hidden) for name in names})
        self.vector = nn.Linear(config.hidden, 1, bias=False)
        self.value = nn.ModuleDict({name: nn.Linear(dim, dim) for name in names})
        self.dropout = nn.Dropout(dropout)

    def weights(self, parts: dict[str, Tensor], present: Tensor) -> Tensor:
        """Weights ``(batch, modalities)`` of each record; arguments as in ``forward``."""
        scores = torch.cat(
            [self.vector(torch.tanh(self.score[name](parts[name]))) for name in self._names], dim=1
        )
        return gate(scores, present, self._floor)

    def forward(self, parts: dict[str, Tensor], present: Tensor) -> Fused:
        """Mix the modalities of each record by their weights.

        Args:
            parts: modality name to ``(batch, dim)``.
            present: ``(batch, modalities)``, in the order of ``names``.

        Returns:
            ``(batch, dim)``, and as extra ``weights (batch, modalities)``.
        """
        weights = self.weights(parts, present)
        values = torch.stack([self.value[name](parts[name]) for name in self._names], dim=1)
        mixed = F.gelu((weights[:, :, None].to(values.dtype) * values).sum(dim=1))
        return Fused(vector=self.dropout(mixed), extras={"weights": weights})


def build(config: Config, *, names: tuple[str, ...], dim: int, dropout: float) -> Gated:
    """A new gate over modalities in this order."""
    return Gated(config, names, dim, dropout)
