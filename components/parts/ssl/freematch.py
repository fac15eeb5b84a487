"""The threshold follows how sure the model is by now, for all classes and for each.

``tau = EMA(mean_b max q_b)`` and ``tau_c = tau * ptilde_c / max_c' ptilde_c'`` with ``ptilde =
EMA(mean_b q_b)``; both begin at ``1 / classes``. The paper's further term for fairness between
classes is left out. Its running means move by .001 a step; a run here takes hundreds of steps, not
hundreds of thousands, so that they move by .01. Views as ``fixmatch`` has them.

Source: FreeMatch, Wang et al. 2023 (arXiv:2205.07246).
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from components.parts.online import Answered, Setting
from components.parts.ssl._consistency import (
    FIGURES,
    Consistency,
    Views,
    guessed,
    learned,
    mean_of,
    unserved,
)

METHOD = {
    "id": "S02b",
    "name": "FreeMatch",
    "for": "few labels, without a threshold to choose",
    "needs": "records without a label, one class each",
    "use": "ssl: {name: freematch, weight: 1.0, ratio: 1}",
}


@dataclass(frozen=True, kw_only=True)
class Config(Views):
    """How sure an answer must be, beside how views are disturbed (`Views`).

    Attributes:
        memory: share of the running means that stays in a step.
    """

    memory: Annotated[float, Field(ge=0, lt=1)] = 0.99


class FreeMatch(Consistency):
    """Two running means: how sure answers are, and the classes that they expect."""

    figures = (*FIGURES, "threshold")
    sure: Tensor
    expected: Tensor

    def __init__(self, config: Config, classes: int) -> None:
        super().__init__(config)
        self._memory = config.memory
        self.register_buffer("sure", torch.tensor(1.0 / classes))
        self.register_buffer("expected", torch.full((classes,), 1.0 / classes))

    def forward(self, answered: Answered) -> dict[str, Tensor]:
        """``consistency``, the share ``kept`` of the records, and the ``threshold`` of all."""
        probabilities, confidence, label = guessed(answered)
        sure = mean_of(self.sure, confidence.mean(), self._memory)
        expected = mean_of(self.expected, probabilities.mean(dim=0), self._memory)
        least = sure * expected / expected.max()
        found = learned(answered, label, confidence >= least[label])
        return {**found, "threshold": sure.clone()}


def refuses(config: Config, setting: Setting) -> str | None:  # noqa: ARG001
    """Why a data set cannot be served; None if it can."""
    return unserved(setting)


def build(config: Config, *, setting: Setting) -> FreeMatch:
    """The part for a model and its records."""
    return FreeMatch(config, setting.target.width)
