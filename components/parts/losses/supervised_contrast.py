"""Vectors of one class attract each other, whatever their modality.

Source: Khosla et al. 2020, Supervised contrastive learning (arXiv:2004.11362), the sum outside of
the logarithm, over the vectors of all modalities as in SimMMDG, Dong et al. 2023
(arXiv:2310.19795): ``L_i = -(1/|P(i)|) sum_{p in P(i)} log(exp(z_i.z_p / tau) / sum_{a != i}
exp(z_i.z_a / tau))``. A record without a label has its own other modalities as positives. Where a
label is a guess, a positive counts as much as it is likely one. Records that are alike and have not
the same label are left out of each other's sums, as in `info_nce`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from components.parts.contracts import Target
from components.parts.losses._classes import same_label
from components.parts.network import Likeness, ModelOutput

METHOD = {
    "id": "L02b",
    "name": "supervised contrast over all modalities, SupCon",
    "for": "a space in which classes are apart, within a modality too",
    "needs": "two modalities of one record, and labels",
    "use": "losses: {cross_entropy: {}, supervised_contrast: {weight: 1.0}}",
}
USES_UNLABELLED = True
MIN_MODALITIES = 2


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sharpness.

    Attributes:
        temperature: ``tau``.
    """

    temperature: Annotated[float, Field(ge=0.005, le=10)] = 0.1


def supervised(vectors: Tensor, positive: Tensor, compared: Tensor, temperature: float) -> Tensor:
    """Mean over the vectors that have a positive, a scalar.

    Args:
        vectors: unit vectors ``(n, dim)``.
        positive: ``(n, n)``, how far one is a positive of another.
        compared: ``(n, n)`` bool, which is in the sum of which.
        temperature: ``tau``.
    """
    # A row without anything to compare has no weight, but its softmax must be finite.
    opened = compared | ~compared.any(dim=1, keepdim=True)
    scores = (vectors @ vectors.T / temperature).masked_fill(~opened, -torch.inf)
    log_p = scores.log_softmax(dim=1).masked_fill(~compared, 0.0)
    wanted = positive.masked_fill(~compared, 0.0)
    rows = -(wanted * log_p).sum(dim=1) / wanted.sum(dim=1).clamp_min(1e-12)
    anchors = wanted.sum(dim=1) > 0
    return rows.masked_fill(~anchors, 0.0).sum() / anchors.sum().clamp_min(1)


def loss(
    output: ModelOutput,
    targets: Tensor,
    weights: Tensor,
    present: Tensor,
    *,
    temperature: float,
    likeness: Likeness | None = None,
    target: Target | None = None,
) -> Tensor:
    """The loss of a batch; arguments as in `sdm.loss`."""
    names = sorted(output.embeddings)
    if not names:
        return output.logits.sum() * 0.0
    count, (n, m) = len(names), present.shape
    vectors = torch.cat([output.embeddings[name].float() for name in names])
    there = present.T.reshape(-1)
    same = same_label(targets, weights, target)
    positive = same.repeat(count, count)
    compared = there[:, None] & there & ~torch.eye(n * m, dtype=torch.bool, device=there.device)
    if likeness is not None:
        rows = [
            torch.cat([likeness.among(*{i, j}) for j in range(count)], dim=1) for i in range(count)
        ]
        compared = compared & (~torch.cat(rows) | (positive > 0))
    return supervised(vectors, positive, compared, temperature)


def build(config: Config) -> Callable[..., Tensor]:
    """The loss with its options."""
    return partial(loss, temperature=config.temperature)
