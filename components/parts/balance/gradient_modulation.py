"""The modality that is ahead takes smaller steps, so that the others can follow.

``factor_m = 1 - tanh(a * r_m)`` where ``r_m > 1``, otherwise 1, with ``r_m`` the mean probability
that modality ``m`` alone gives to the right answer over the mean of the others'. The effect fades
evenly to nothing at the end of the training, which is Concord's own schedule. The paper scales
gradients for SGD, where that scales the step. AdamW divides a constant factor out again, so here
the step itself is scaled. The paper's added noise is left out.

Source: on-the-fly gradient modulation, Peng et al. 2022 (arXiv:2203.15332).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from components.parts.balance._ahead import ahead
from components.parts.online import Balance

MIN_MODALITIES = 2
"""One alone is ahead of nothing."""

METHOD = {
    "id": "B02a",
    "name": "gradient modulation (OGM)",
    "for": "a modality that learns faster and holds the others back",
    "needs": "two modalities and labels",
    "use": "balance: {name: gradient_modulation}",
}


@dataclass(frozen=True, kw_only=True)
class Config:
    """How much a modality is held back.

    Attributes:
        a: factor of ``r_m``; the paper uses .1 to .8.
    """

    a: Annotated[float, Field(ge=0, le=10)] = 0.3


def factors(scores: Tensor, a: float, done: float) -> Tensor:
    """Factor ``(modalities,)`` of each modality's step.

    Args:
        scores: ``(modalities,)``, 0 where there is none.
        a: see ``Config``.
        done: share of the training that is done.
    """
    r = ahead(scores)
    held = torch.where(r > 1, torch.tanh(a * r), torch.zeros_like(r))
    return 1 - (1 - done) * held


class GradientModulation(Balance):
    """Without state: every batch is judged by itself."""

    def __init__(self, a: float) -> None:
        super().__init__()
        self._a = a

    def after_backward(
        self,
        scores: Tensor,
        gradients: Mapping[str, Sequence[Tensor]],  # noqa: ARG002
        done: float,
    ) -> Tensor:
        """Factor ``(modalities,)`` of the step of each modality."""
        return factors(scores, self._a, done)


def build(config: Config, *, modalities: tuple[str, ...]) -> GradientModulation:  # noqa: ARG001
    """The part for a model."""
    return GradientModulation(config.a)
