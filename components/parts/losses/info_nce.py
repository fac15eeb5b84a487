"""Symmetric contrast: the modalities of one record must find each other among those of the batch.

Source: CLIP, Radford et al. 2021 (arXiv:2103.00020): ``s_ij = exp(t) z_i^a . z_j^b``,
``L = (CE(rows, i) + CE(columns, i)) / 2``, temperature learned and capped at ``exp(t) = 100``.
Records of one group, and records with equal content in one of the two modalities, are no negatives
of each other: no model could tell them apart, and search counts a record of the group as found.
They are left out of the sums, not added as positives: the elimination of false negatives of Huynh
et al. 2022, Boosting contrastive self-supervised learning with false negative cancellation
(arXiv:2011.11765).
"""

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from components.parts.losses._pairs import over_pairs, pairs_of
from components.parts.network import Likeness, ModelOutput

METHOD = {
    "id": "L01a",
    "name": "InfoNCE: dual-encoder contrast, CLIP",
    "for": "one space for all modalities, so that each finds the others",
    "needs": "records with two modalities; labels are not read",
    "use": "losses: {cross_entropy: {}, info_nce: {weight: 1.0}}",
}
USES_UNLABELLED = True
"""Records without a label contribute too."""
MIN_MODALITIES = 2
"""A model of fewer modalities has nothing to contrast."""
MAX_LOGIT_SCALE = math.log(100.0)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Start of the temperature.

    Attributes:
        temperature: first value of ``1 / exp(t)``, which is learned.
    """

    temperature: Annotated[float, Field(ge=0.01, le=10)] = 0.07


def info_nce(
    a: Tensor,
    b: Tensor,
    scale: Tensor,
    alike: Tensor | None = None,
    both: Tensor | None = None,
) -> Tensor:
    """Symmetric contrast of unit vectors ``(n, dim)``, row by row; 0 for a single row.

    Args:
        a: unit vectors of one modality.
        b: those of another, of the same records.
        scale: factor of the products.
        alike: symmetric ``(n, n)`` bool; such pairs are no negatives.
        both: ``(n,)`` bool, which records count; None: all. The others are masked, since choosing
            rows would make the processor wait for the device.
    """
    scores = scale * a.float() @ b.float().T
    right = torch.arange(len(a), device=a.device)
    other = right[:, None] != right
    if alike is not None:
        scores = scores.masked_fill(alike & other, -torch.inf)
    if both is None:
        return (F.cross_entropy(scores, right) + F.cross_entropy(scores.T, right)) / 2
    # A row of one number has loss 0, so the sum is over those that count.
    scores = scores.masked_fill(~(both[:, None] & both) & other, -torch.inf)
    sides = [F.cross_entropy(x, right, reduction="sum") for x in (scores, scores.T)]
    return sum(sides[1:], sides[0]) / (2 * both.sum().clamp_min(1))


class InfoNCE(nn.Module):
    """Mean over pairs of modalities that at least two records have; owns the temperature."""

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))

    def forward(
        self,
        output: ModelOutput,
        targets: Tensor,  # noqa: ARG002
        weights: Tensor,  # noqa: ARG002
        present: Tensor,
        likeness: Likeness | None = None,
    ) -> Tensor:
        """The loss of a batch; a record counts for each pair of modalities of which it has both.

        Args:
            output: the model's outputs.
            targets: ``(batch, classes)``, not read.
            weights: ``(batch,)``, not read.
            present: ``(batch, modalities)``, modalities sorted by name.
            likeness: which records are no negatives of each other; None: none.
        """
        scale = self.log_scale.clamp(max=MAX_LOGIT_SCALE).exp()
        found = [
            (pair, info_nce(pair.a, pair.b, scale, pair.alike, pair.both))
            for pair in pairs_of(output, present, likeness)
        ]
        return over_pairs(found, output)


def build(config: Config) -> InfoNCE:
    """A new loss with its own temperature."""
    return InfoNCE(config.temperature)
