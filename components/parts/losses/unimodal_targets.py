"""What a frozen encoder finds similar is what the shared space shall find similar.

Source: CUSA, Huang et al. 2024, Cross-modal and uni-modal soft-label alignment for image-text
retrieval (arXiv:2403.05261). With teacher rows ``Q^a = softmax(q_i^a . q_j^a / tau_t)`` and rows of
the model ``P^ab = softmax(z_i^a . z_j^b / tau)``, ``L = 0.1 mean(KL(Q^a || P^ab), KL(Q^b || P^ba))
+ 0.5 mean(KL(Q^a || P^aa), KL(Q^b || P^bb))``; the factors and temperatures are those of the
authors' configuration for Flickr30K, where it is added to a contrast. They project a second time
for the rows within a modality; here one space serves both. A modality whose encoders are all
learned has no teacher and is left out. Records that are alike are left out of each other's rows, as
in `info_nce`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from components.parts.losses._pairs import cosines, log_softmax_among, over_pairs, pairs_of
from components.parts.network import Likeness, ModelOutput

METHOD = {
    "id": "L03b",
    "name": "soft targets by unimodal teachers, CUSA",
    "for": "keeping what single encoders find similar, beside a contrast",
    "needs": "two modalities of one record, one of them with a frozen encoder",
    "use": "losses: {cross_entropy: {}, info_nce: {}, unimodal_targets: {weight: 1.0}}",
}
USES_UNLABELLED = True
MIN_MODALITIES = 2
_SHARPEST, _SOFTEST = 0.1, 1.0


@dataclass(frozen=True, kw_only=True)
class Config:
    """Factors and temperatures.

    Attributes:
        across: factor of rows that lead to the other modality.
        within: factor of rows within one modality.
        temperature: first value of ``tau``, which is learned between 0.1 and 1.
        teacher_temperature: ``tau_t``.
    """

    across: Annotated[float, Field(ge=0, le=1000)] = 0.1
    within: Annotated[float, Field(ge=0, le=1000)] = 0.5
    temperature: Annotated[float, Field(ge=_SHARPEST, le=_SOFTEST)] = 0.45
    teacher_temperature: Annotated[float, Field(ge=0.01, le=10)] = 1.0


def divergence(teacher: Tensor, scores: Tensor, compared: Tensor) -> Tensor:
    """``KL(softmax(teacher) || softmax(scores))`` of each row over what is compared, ``(batch,)``.

    Args:
        teacher: ``(batch, batch)``, divided by its temperature.
        scores: the same of the model.
        compared: which record meets which.
    """
    log_q, log_p = log_softmax_among(teacher, compared), log_softmax_among(scores, compared)
    return (log_q.exp().masked_fill(~compared, 0.0) * (log_q - log_p)).sum(dim=1)


class UnimodalTargets(nn.Module):
    """Mean over pairs of modalities that at least two records have; owns the temperature."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self._config = config
        self.log_scale = nn.Parameter(torch.tensor(-math.log(config.temperature)))

    def forward(
        self,
        output: ModelOutput,
        targets: Tensor,  # noqa: ARG002
        weights: Tensor,  # noqa: ARG002
        present: Tensor,
        likeness: Likeness | None = None,
        frozen: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """The loss of a batch; arguments as in `soft_contrast.SoftContrast`."""
        config, known = self._config, frozen or {}
        scale = self.log_scale.clamp(-math.log(_SOFTEST), -math.log(_SHARPEST)).exp()
        found = []
        for pair in pairs_of(output, present, likeness):
            compared, sides = pair.compared(), []
            for name, own, other in ((pair.first, pair.a, pair.b), (pair.second, pair.b, pair.a)):
                if name not in known or not known[name].shape[1]:
                    continue
                teacher = cosines(known[name]) / config.teacher_temperature
                across = divergence(teacher, scale * own @ other.T, compared)
                within = divergence(teacher, scale * own @ own.T, compared)
                sides.append(config.across * across + config.within * within)
            if sides:
                found.append((pair, pair.mean(torch.stack(sides).mean(dim=0))))
        return over_pairs(found, output)


def build(config: Config) -> UnimodalTargets:
    """A new loss with its own temperature."""
    return UnimodalTargets(config)
