"""One linear map of a modality's features, and a layer norm.

Source: linear projection into one space, CLIP, Radford et al. 2021 (arXiv:2103.00020); layer norm,
Ba et al. 2016 (arXiv:1607.06450), so that fusion and heads read numbers of one scale.
"""

from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True, kw_only=True)
class Config:
    """It has no options."""


def build(config: Config, *, width: int, dim: int) -> nn.Module:  # noqa: ARG001
    """A new map from features ``(batch, width)`` to ``(batch, dim)``."""
    return nn.Sequential(nn.Linear(width, dim), nn.LayerNorm(dim))
