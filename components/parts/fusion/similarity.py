"""Similarity-weighted fusion: what two modalities say together counts as far as they agree.

Each pair of modalities has a joint feature, scaled by how alike the two are among the training
records' pairs. Then attention weighs single and joint features: ``w_ab = sigma((cos(h_a, h_b) -
mu_ab) / s_ab)``, ``j_ab = w_ab GELU(J_ab [h_a; h_b])``, ``g = softmax_i(v . tanh(S_i f_i))`` over
``f = (h_1, .., h_M, j_12, ..)`` of what is there, ``z = GELU(sum_i g_i P_i f_i)``.

Source: FND-CLIP, Zhou et al. 2022, Multimodal fake news detection via CLIP-guided learning
(arXiv:2205.14304), which standardises the similarity; that ``sigma`` squashes it is our own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from components.parts.fusion._gate import gate
from components.parts.network import Fused

METHOD = {
    "id": "F02b",
    "name": "similarity-weighted fusion (FND-CLIP)",
    "for": "records whose modalities may contradict each other",
    "needs": "two modalities, and a loss that aligns them",
    "use": "model: {fusion: similarity}",
}
_LEAST = 1e-6
"""Smallest deviation that divides."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Shape of the gates.

    Attributes:
        hidden: width of the gate's layer.
    """

    hidden: Annotated[int, Field(ge=1, le=65_536)] = 64


def agreement(a: Tensor, b: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """``sigma((cos(a, b) - mean) / deviation)`` of rows ``(batch, dim)``: ``(batch,)``."""
    return torch.sigmoid((F.cosine_similarity(a.float(), b.float(), dim=1) - mean) / deviation)


class Similarity(nn.Module):
    """Attention over modalities ``names`` and their pairs."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: Config, names: tuple[str, ...], dim: int, dropout: float) -> None:
        super().__init__()
        self._names = names
        self._pairs = list(combinations(range(len(names)), 2))
        count = len(names) + len(self._pairs)
        self.register_buffer("mean", torch.zeros(len(self._pairs)))
        self.register_buffer("deviation", torch.ones(len(self._pairs)))
        self.joint = nn.ModuleList(nn.Linear(2 * dim, dim) for _ in self._pairs)
        self.score = nn.ModuleList(nn.Linear(dim, config.hidden) for _ in range(count))
        self.value = nn.ModuleList(nn.Linear(dim, dim) for _ in range(count))
        self.vector = nn.Linear(config.hidden, 1, bias=False)
        self.dropout = nn.Dropout(dropout)

    def fit_parts(self, parts: Mapping[str, Tensor], present: Tensor) -> None:
        """Take mean and deviation of each pair's cosine from training records that have both."""
        for at, (i, j) in enumerate(self._pairs):
            both = present[:, i] & present[:, j]
            if int(both.sum()) > 1:
                a, b = parts[self._names[i]][both].float(), parts[self._names[j]][both].float()
                cosine = F.cosine_similarity(a, b, dim=1)
                self.mean[at], self.deviation[at] = cosine.mean(), cosine.std().clamp_min(_LEAST)

    def forward(self, parts: dict[str, Tensor], present: Tensor) -> Fused:
        """Mix the modalities of each record and what they say together.

        Args:
            parts: modality name to ``(batch, dim)``.
            present: ``(batch, modalities)``, in the order of ``names``.

        Returns:
            ``(batch, dim)``, and as extras ``weights (batch, modalities)``, in which a pair's
            weight is shared by its two, and ``agreement (batch, pairs)``, 0 where one is absent.
        """
        features, there = [parts[name] for name in self._names], list(present.unbind(dim=1))
        agreements = []
        for at, (i, j) in enumerate(self._pairs):
            alike = agreement(features[i], features[j], self.mean[at], self.deviation[at])
            both = F.gelu(self.joint[at](torch.cat([features[i], features[j]], dim=1)))
            features.append(alike[:, None].to(both.dtype) * both)
            there.append(present[:, i] & present[:, j])
            agreements.append(alike * there[-1])
        seen = torch.stack(there, dim=1)
        own = zip(self.score, features, strict=True)
        scores = torch.cat([self.vector(torch.tanh(layer(x))) for layer, x in own], dim=1)
        gates = gate(scores, seen)
        values = [layer(x) for layer, x in zip(self.value, features, strict=True)]
        mixed = (gates[:, :, None].to(values[0].dtype) * torch.stack(values, dim=1)).sum(dim=1)
        extras = {"weights": self._shared(gates)}
        if agreements:
            extras["agreement"] = torch.stack(agreements, dim=1)
        return Fused(vector=self.dropout(F.gelu(mixed)), extras=extras)

    def _shared(self, gates: Tensor) -> Tensor:
        """What each modality weighs ``(batch, modalities)``, half of each of its pairs included."""
        weights = list(gates[:, : len(self._names)].unbind(dim=1))
        for at, (i, j) in enumerate(self._pairs, start=len(self._names)):
            for one in (i, j):
                weights[one] = weights[one] + gates[:, at] / 2
        return torch.stack(weights, dim=1)


def build(config: Config, *, names: tuple[str, ...], dim: int, dropout: float) -> Similarity:
    """A new fusion of modalities in this order."""
    return Similarity(config, names, dim, dropout)
