"""An answer below the usual confidence counts less instead of not at all.

The weight is 1 where ``max q >= mu``, otherwise ``exp(-(max q - mu)^2 / (2 * sigma^2))``, with
running mean ``mu`` and variance ``sigma^2`` of ``max q``; they begin at ``1 / classes`` and 1. The
paper's alignment of the class distribution is left out, and its factor ``U / (U - 1)`` of the
variance of a batch. Its running statistics move by .001 a step; a run here takes hundreds of steps,
so that they move by .01. Views as ``fixmatch`` has them.

Source: SoftMatch, Chen et al. 2023 (arXiv:2301.10921).
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from components.parts.online import Answered, Setting
from components.parts.ssl._consistency import (
    Consistency,
    Views,
    guessed,
    learned,
    mean_of,
    unserved,
)

_LEAST_VARIANCE = 1e-12

METHOD = {
    "id": "S02c",
    "name": "SoftMatch",
    "for": "few labels, using every unlabelled record a little",
    "needs": "records without a label, one class each",
    "use": "ssl: {name: softmatch, weight: 1.0, ratio: 1}",
}


@dataclass(frozen=True, kw_only=True)
class Config(Views):
    """How sure an answer must be, beside how views are disturbed (`Views`).

    Attributes:
        memory: share of the running statistics that stays in a step.
    """

    memory: Annotated[float, Field(ge=0, lt=1)] = 0.99


def weights(confidence: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """Weight ``(batch,)`` of answers of this confidence ``(batch,)``: a truncated Gaussian."""
    below = (confidence - mean).clamp(max=0)
    return torch.exp(-below.square() / (2 * variance.clamp_min(_LEAST_VARIANCE)))


class SoftMatch(Consistency):
    """Running mean and variance of how sure answers are."""

    mean: Tensor
    variance: Tensor

    def __init__(self, config: Config, classes: int) -> None:
        super().__init__(config)
        self._memory = config.memory
        self.register_buffer("mean", torch.tensor(1.0 / classes))
        self.register_buffer("variance", torch.tensor(1.0))

    def forward(self, answered: Answered) -> dict[str, Tensor]:
        """``consistency`` and the mean weight, ``kept``."""
        _, confidence, label = guessed(answered)
        mean = mean_of(self.mean, confidence.mean(), self._memory)
        spread = confidence.var(correction=0)
        variance = mean_of(self.variance, spread, self._memory)
        return learned(answered, label, weights(confidence, mean, variance))


def refuses(config: Config, setting: Setting) -> str | None:  # noqa: ARG001
    """Why a data set cannot be served; None if it can."""
    return unserved(setting)


def build(config: Config, *, setting: Setting) -> SoftMatch:
    """The part for a model and its records."""
    return SoftMatch(config, setting.target.width)
