"""Proxy tokens: learned queries imitate an absent modality by attending to what is there.

Each part becomes ``T`` tokens, ``H_a = A_a h_a``. The proxy of b is ``g_b = O_b softmax(q_b .
K H^T / sqrt(d)) V H`` over the tokens of the other modalities, learned to be near ``h_b`` where b
is there (loss ``completion``) and useful where it is not.

Source: cross-modal proxy tokens, Reza et al. 2025 (arXiv:2501.17823), over tokens that are made
from one cached vector of each modality; PTUnifier, Chen et al. 2023 (arXiv:2302.08958).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from components.parts.fusion._completing import Completing, needs_completion

METHOD = {
    "id": "M02a",
    "name": "proxy tokens",
    "for": "missing modalities, in models that attend",
    "needs": "two modalities, and training records that have both",
    "use": "model: {fusion: proxy} and losses: {cross_entropy: {}, completion: {weight: 1.0}}",
}


@dataclass(frozen=True, kw_only=True)
class Config:
    """Shape of the attention and of the mixing layer.

    Attributes:
        hidden: width of the mixing layer, see ``concat``.
        tokens: tokens that each part becomes.
    """

    hidden: Annotated[int, Field(ge=1, le=65_536)] = 256
    tokens: Annotated[int, Field(ge=1, le=64)] = 4


def unsuited(losses: Mapping[str, Mapping[str, Any]], modalities: int) -> str | None:
    """Why a run cannot use it."""
    return needs_completion("proxy", losses, modalities)


def attended(query: Tensor, keys: Tensor, values: Tensor, there: Tensor) -> Tensor:
    """``softmax(q . k / sqrt(d)) v`` over tokens that are there, ``(batch, dim)``.

    Args:
        query: ``(dim,)``.
        keys: ``(batch, tokens, dim)``.
        values: ``(batch, tokens, dim)``.
        there: ``(batch, tokens)`` bool; a record without any attends to all.
    """
    there = there | ~there.any(dim=1, keepdim=True)
    scores = (keys @ query / query.shape[0] ** 0.5).float().masked_fill(~there, -torch.inf)
    found: Tensor = (scores.softmax(dim=1)[:, :, None].to(values.dtype) * values).sum(dim=1)
    return found


class Proxies(nn.Module):
    """A query for each modality, over tokens of the others."""

    def __init__(self, config: Config, names: tuple[str, ...], dim: int) -> None:
        super().__init__()
        self._names, self._tokens = names, config.tokens
        self.split = nn.ModuleList(nn.Linear(dim, config.tokens * dim) for _ in names)
        self.query = nn.Parameter(torch.randn(len(names), dim))
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)
        self.out = nn.ModuleList(nn.Linear(dim, dim) for _ in names)

    def fit_parts(self, parts: Mapping[str, Tensor], present: Tensor) -> None:
        """Nothing: all of it is learned."""

    def guess(
        self, column: int, parts: Mapping[str, Tensor], others: Tensor
    ) -> tuple[Tensor, None]:
        """See ``Filling``."""
        tokens = torch.cat(
            [
                split(parts[name]).reshape(-1, self._tokens, parts[name].shape[1])
                for split, name in zip(self.split, self._names, strict=True)
            ],
            dim=1,
        )
        there = others[:, :, None].expand(-1, -1, self._tokens).flatten(1)
        found = attended(self.query[column], self.key(tokens), self.value(tokens), there)
        return self.out[column](found), None


def build(config: Config, *, names: tuple[str, ...], dim: int, dropout: float) -> Completing:
    """A new fusion of modalities in this order."""
    return Completing(Proxies(config, names, dim), names, dim, dropout, config.hidden)
