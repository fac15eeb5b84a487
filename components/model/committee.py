"""The committee in the model: a linear map of what light heads read of each view."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from components.features.rows import Rows
from components.features.tfidf import Reduction, weighted
from components.parts.linear import Linear

CLIP = 5.0
"""Standardised numbers are cut off here."""


class LinearView(nn.Module):
    """Logits of one view: its numbers standardised, cut off, and mapped.

    Nothing of it is trained by gradients; ``components.training.light`` fits it.
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

    def put(self, mean: NDArray[np.float32], scale: NDArray[np.float32], linear: Linear) -> None:
        """Set the map to one of standardised numbers; ``linear`` has one fit."""
        self.mean.copy_(torch.from_numpy(mean))
        self.scale.copy_(torch.from_numpy(scale))
        self.weight.copy_(torch.from_numpy(linear.weight[0]))
        self.bias.copy_(torch.from_numpy(linear.bias[0]))

    def standardised(self, light: Tensor) -> Tensor:
        """Rows ``(batch, dim)`` of about unit length."""
        standard = ((light - self.mean) / self.scale).clamp(-CLIP, CLIP)
        return standard / math.sqrt(light.shape[1])

    def forward(self, light: Tensor) -> Tensor:
        """``(batch, dim)`` to ``(batch, width)``."""
        logits: Tensor = self.standardised(light.float()) @ self.weight + self.bias
        return logits


class SparseView(nn.Module):
    """Logits of a sparse view: its counts weighted by TF-IDF, and mapped.

    Attributes:
        idf: weight of each bucket ``(buckets,)``.
        buckets: ``(k,)`` those that are read.
        weight: ``(k, width)``.
        bias: ``(width,)``.
    """

    idf: Tensor
    buckets: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("idf", torch.zeros(0))
        self.register_buffer("buckets", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("weight", torch.zeros(0, width))
        self.register_buffer("bias", torch.zeros(width))

    def put(self, idf: NDArray[np.float32], found: Reduction, linear: Linear) -> None:
        """Set the map to one of rows that were weighted and reduced; ``linear`` has one fit."""
        self.idf = torch.from_numpy(idf)
        self.buckets = torch.from_numpy(found.buckets)
        self.weight = torch.from_numpy(found.components.T @ linear.weight[0])
        self.bias = torch.from_numpy(linear.bias[0])

    def logits(self, counts: Rows) -> NDArray[np.float32]:
        """``(n, width)`` of counts ``(n, buckets)``."""
        rows = weighted(counts, self.idf.numpy())[:, self.buckets.numpy()]
        found: NDArray[np.float32] = rows @ self.weight.numpy() + self.bias.numpy()
        return found.astype(np.float32)

    def forward(self, logits: Tensor) -> Tensor:
        """What ``logits`` gave is read as it is."""
        return logits

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        *rest: Any,  # noqa: ANN401
    ) -> None:
        """Make room first: there is nothing before the view is fitted."""
        for name in ("idf", "buckets", "weight"):
            if f"{prefix}{name}" in state_dict:
                setattr(self, name, torch.empty_like(state_dict[f"{prefix}{name}"]))
        super()._load_from_state_dict(state_dict, prefix, *rest)


class CommitteeHead(nn.Module):
    """The sum of the views that a record has, and a constant.

    Attributes:
        constant: ``(width,)``.
        shift: the part of the constant ``(width,)`` that tells how common classes are among all
            records; no temperature touches it.

    Args:
        dims: view name to the length of what light heads read.
        sparse: names of the sparse views.
        width: number of logits.
    """

    constant: Tensor
    shift: Tensor

    def __init__(self, dims: Mapping[str, int], sparse: Iterable[str], width: int) -> None:
        super().__init__()
        self.views = nn.ModuleDict(
            {
                **{view: LinearView(dim, width) for view, dim in dims.items()},
                **{view: SparseView(width) for view in sparse},
            }
        )
        self.register_buffer("constant", torch.zeros(width))
        self.register_buffer("shift", torch.zeros(width))
