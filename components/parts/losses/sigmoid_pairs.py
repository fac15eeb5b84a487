"""Each pair of a batch is a yes or a no by itself: contrast without a softmax over the batch.

Source: SigLIP, Zhai et al. 2023, Sigmoid loss for language image pre-training (arXiv:2303.15343):
``L = -(1/B) sum_ij log sigma(y_ij (t z_i^a . z_j^b + b))``, ``y_ij`` 1 for a record's own pair and
-1 otherwise; ``t`` and ``b`` are learned and start at 10 and -10. Records of one group, and records
with equal content in one of the two modalities, are left out of each other's sums, as in
`info_nce`.
"""

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from components.parts.losses._pairs import Pair, over_pairs, pairs_of
from components.parts.network import Likeness, ModelOutput

METHOD = {
    "id": "L01b",
    "name": "sigmoid pairs, SigLIP",
    "for": "aligning modalities with small batches",
    "needs": "two modalities of one record",
    "use": "losses: {cross_entropy: {}, sigmoid_pairs: {weight: 1.0}}",
}
USES_UNLABELLED = True
MIN_MODALITIES = 2


@dataclass(frozen=True, kw_only=True)
class Config:
    """Where scale and bias start.

    Attributes:
        scale: first value of ``t``, which is learned as ``log t``.
        bias: first value of ``b``, so that all the pairs that are none cost little at first.
    """

    scale: Annotated[float, Field(gt=0, le=1000)] = 10.0
    bias: Annotated[float, Field(ge=-100, le=100)] = -10.0


def sigmoid_pairs(pair: Pair, scale: Tensor, bias: Tensor) -> Tensor:
    """The loss of one pair of modalities, a scalar.

    Args:
        pair: the modalities.
        scale: factor of the products.
        bias: added to them.
    """
    logits = scale * pair.a @ pair.b.T + bias
    signs = 2 * torch.eye(len(logits), device=logits.device) - 1
    return pair.mean(-F.logsigmoid(signs * logits).masked_fill(~pair.compared(), 0.0).sum(dim=1))


class SigmoidPairs(nn.Module):
    """Mean over pairs of modalities that at least two records have; owns scale and bias."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(config.scale)))
        self.bias = nn.Parameter(torch.tensor(config.bias))

    def forward(
        self,
        output: ModelOutput,
        targets: Tensor,  # noqa: ARG002
        weights: Tensor,  # noqa: ARG002
        present: Tensor,
        likeness: Likeness | None = None,
    ) -> Tensor:
        """The loss of a batch; see `info_nce.InfoNCE`."""
        scale = self.log_scale.exp()
        found = [
            (pair, sigmoid_pairs(pair, scale, self.bias))
            for pair in pairs_of(output, present, likeness)
        ]
        return over_pairs(found, output)


def build(config: Config) -> SigmoidPairs:
    """A new loss with its own scale and bias."""
    return SigmoidPairs(config)
