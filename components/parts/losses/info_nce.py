"""Symmetric contrast: the modalities of one record find each other among those of the batch.

Source: L01 (a), CLIP, Radford et al. 2021 (arXiv:2103.00020): ``s_ij = exp(t) z_i^a . z_j^b``,
``L = (CE(rows, i) + CE(columns, i)) / 2``, temperature learned and capped at ``exp(t) = 100``.
"""

import math
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from components.core.errors import UsageError
from components.parts.contracts import ModelOutput

WITHOUT_LABELS = True
"""Records without a label teach too."""
LEAST_MODALITIES = 2
"""A model of fewer modalities has nothing to contrast."""
HIGHEST = math.log(100.0)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Where the temperature starts.

    Attributes:
        temperature: first value of ``1 / exp(t)``, 0.01 at least; it is learned.
    """

    temperature: float = 0.07

    def __post_init__(self) -> None:
        if not 0.01 <= self.temperature <= 10:
            raise UsageError(f"info_nce temperature: got {self.temperature}, wanted 0.01 to 10")


def info_nce(a: Tensor, b: Tensor, scale: Tensor) -> Tensor:
    """Symmetric contrast of unit vectors ``(n, dim)`` whose rows belong together; 0 for a single row."""
    scores = scale * a.float() @ b.float().T
    right = torch.arange(len(a), device=a.device)
    return (F.cross_entropy(scores, right) + F.cross_entropy(scores.T, right)) / 2


class InfoNCE(nn.Module):
    """Owns the temperature; the loss is the mean over pairs of modalities that at least two records have."""

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))

    def forward(
        self,
        output: ModelOutput,
        targets: Tensor,  # noqa: ARG002
        weights: Tensor,  # noqa: ARG002
        present: Tensor,
    ) -> Tensor:
        """The loss of a batch; labels are not read, records that lack a modality of a pair are left out of it."""
        scale = self.log_scale.clamp(max=HIGHEST).exp()
        losses = []
        for (i, first), (j, second) in combinations(enumerate(sorted(output.embeddings)), 2):
            both = (present[:, i] & present[:, j]).nonzero().squeeze(1)
            if len(both) > 1:
                losses.append(
                    info_nce(output.embeddings[first][both], output.embeddings[second][both], scale)
                )
        return torch.stack(losses).mean() if losses else output.logits.sum() * 0.0


def build(config: Config) -> InfoNCE:
    """A new loss with its own temperature."""
    return InfoNCE(config.temperature)
