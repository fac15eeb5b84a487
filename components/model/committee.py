"""The committee in the model: a linear map of what light heads read of each view."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

CLIP = 5.0
"""Standardised numbers are cut off here."""


class LinearView(nn.Module):
    """Logits of one view: its numbers standardised, cut off, and mapped.

    Nothing of it is trained by gradients; ``components.training.answering`` fits it.
    """

    mean: Tensor
    scale: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, dim: int, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(dim))
        self.register_buffer("weight", torch.zeros(dim, width))
        self.register_buffer("bias", torch.zeros(width))

    def standardised(self, light: Tensor) -> Tensor:
        """Rows ``(batch, dim)`` of about unit length."""
        standard = ((light - self.mean) / self.scale).clamp(-CLIP, CLIP)
        return standard / math.sqrt(light.shape[1])

    def forward(self, light: Tensor) -> Tensor:
        """``(batch, dim)`` to ``(batch, width)``."""
        logits: Tensor = self.standardised(light.float()) @ self.weight + self.bias
        return logits


class CommitteeHead(nn.Module):
    """The sum of the views that a record has, and a constant.

    Args:
        dims: view name to the length of what light heads read.
        width: number of logits.
    """

    constant: Tensor

    def __init__(self, dims: Mapping[str, int], width: int) -> None:
        super().__init__()
        self.views = nn.ModuleDict({view: LinearView(dim, width) for view, dim in dims.items()})
        self.register_buffer("constant", torch.zeros(width))
