"""The modality that is ahead is hidden from the fusion more often.

A modality is hidden from a record with probability ``tanh(a * (r_m - 1))`` where ``r_m > 1``, with
``r_m`` the mean probability that it alone gives to the right answer over the mean of the others',
from a running mean over the steps before. The idea, to drop the feature of the dominant modality
with a probability that follows the training, is the paper's; this formula is Concord's own.

Source: on-the-fly prediction modulation, Wei et al. 2024 (arXiv:2410.11582), by its abstract.
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
    "id": "B02",
    "name": "feature drop",
    "for": "a modality that learns faster and holds the others back",
    "needs": "two modalities and labels",
    "use": "balance: {name: feature_drop}",
}


@dataclass(frozen=True, kw_only=True)
class Config:
    """How often a modality is hidden, and how fast that follows the training.

    Attributes:
        a: factor of ``r_m - 1``.
        memory: share of the running mean of the scores that stays in a step.
    """

    a: Annotated[float, Field(ge=0, le=10)] = 1.0
    memory: Annotated[float, Field(ge=0, lt=1)] = 0.9


class FeatureDrop(Balance):
    """A running mean of the scores."""

    scores: Tensor

    def __init__(self, config: Config, modalities: int) -> None:
        super().__init__()
        self._config = config
        self.register_buffer("scores", torch.zeros(modalities))

    def on_batch(self) -> Tensor:
        """Probability ``(modalities,)`` that each is hidden in the next batch."""
        return torch.tanh(self._config.a * (ahead(self.scores) - 1).clamp_min(0))

    def after_backward(
        self,
        scores: Tensor,
        gradients: Mapping[str, Sequence[Tensor]],  # noqa: ARG002
        done: float,  # noqa: ARG002
    ) -> None:
        """Remember the scores; a modality without one keeps its own, the first is taken whole."""
        moved = torch.lerp(scores, self.scores, self._config.memory)
        moved = torch.where(self.scores > 0, moved, scores)
        self.scores.copy_(torch.where(scores > 0, moved, self.scores))


def build(config: Config, *, modalities: tuple[str, ...]) -> FeatureDrop:
    """The part for a model."""
    return FeatureDrop(config, len(modalities))
