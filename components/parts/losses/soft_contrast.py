"""Contrast in which every record of the batch is a match as far as a frozen encoder finds it one.

Source: CWCL, Srinivasa et al. 2023, Cross-modal transfer with continuously weighted contrastive
loss (arXiv:2309.14580): ``L = -(1/B) sum_i (1 / sum_j w_ij) sum_j w_ij log softmax_j(z_i . q_j /
tau)`` with ``w_ij = (q_i . q_j + 1) / 2`` by the frozen vectors of the modality that is searched;
here in both directions, each with the frozen vectors of what it searches. A modality whose encoders
are all learned has no such weights and is searched by plain contrast. Records that are alike are
left out of each other's sums, as in `info_nce`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from components.parts.losses._pairs import (
    Pair,
    cosines,
    log_softmax_among,
    over_pairs,
    pairs_of,
)
from components.parts.losses.info_nce import MAX_LOGIT_SCALE
from components.parts.network import Likeness, ModelOutput

METHOD = {
    "id": "L03a",
    "name": "continuously weighted contrast, CWCL",
    "for": "aligning modalities where a batch holds records that nearly match",
    "needs": "two modalities of one record, one of them with a frozen encoder",
    "use": "losses: {cross_entropy: {}, soft_contrast: {weight: 1.0}}",
}
USES_UNLABELLED = True
MIN_MODALITIES = 2


@dataclass(frozen=True, kw_only=True)
class Config:
    """Start of the temperature.

    Attributes:
        temperature: first value of ``tau``, which is learned.
    """

    temperature: Annotated[float, Field(ge=0.01, le=10)] = 0.07


def weights_of(frozen: Tensor | None, pair: Pair) -> Tensor:
    """How far records match ``(batch, batch)``; without frozen vectors each matches itself."""
    if frozen is None or not frozen.shape[1]:
        return torch.eye(len(pair.both), device=pair.both.device)
    return (cosines(frozen) + 1) / 2


def soft_contrast(scores: Tensor, weights: Tensor, compared: Tensor) -> Tensor:
    """Weighted contrast of each row, ``(batch,)``.

    Args:
        scores: ``(batch, batch)``, times the scale.
        weights: how far records match.
        compared: which record meets which.
    """
    wanted = weights.masked_fill(~compared, 0.0)
    rows = -(wanted * log_softmax_among(scores, compared)).sum(dim=1)
    return rows / wanted.sum(dim=1).clamp_min(1e-12)


class SoftContrast(nn.Module):
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
        frozen: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """The loss of a batch.

        Args:
            output: the model's outputs.
            targets: not read.
            weights: not read.
            present: ``(batch, modalities)``, modalities sorted by name.
            likeness: which records are no negatives of each other; None: none.
            frozen: modality name to the vectors of its frozen encoders ``(batch, dims)``.
        """
        scale, known = self.log_scale.clamp(max=MAX_LOGIT_SCALE).exp(), frozen or {}
        found = []
        for pair in pairs_of(output, present, likeness):
            scores, compared = scale * pair.a @ pair.b.T, pair.compared()
            sides = [
                soft_contrast(x, weights_of(known.get(name), pair), compared)
                for x, name in ((scores, pair.second), (scores.T, pair.first))
            ]
            found.append((pair, pair.mean((sides[0] + sides[1]) / 2)))
        return over_pairs(found, output)


def build(config: Config) -> SoftContrast:
    """A new loss with its own temperature."""
    return SoftContrast(config.temperature)
