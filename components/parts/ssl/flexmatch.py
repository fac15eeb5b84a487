"""Classes that are learned slowly get a lower threshold, by how many records they have won.

``t_c = M(beta_c) * t`` with ``beta_c = sigma_c / max_c' sigma_c'``, ``sigma_c`` the number of
unlabelled records whose last answer above ``t`` was class ``c``, and ``M(x) = x / (2 - x)``. As in
the paper, the records that no class has won yet count in the maximum, so that all thresholds begin
low. Views as ``fixmatch`` has them.

Source: FlexMatch, Zhang et al. 2021 (arXiv:2110.08263).
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from components.parts.online import Answered, Setting
from components.parts.ssl._consistency import Consistency, Views, guessed, learned, unserved

METHOD = {
    "id": "S02a",
    "name": "FlexMatch",
    "for": "few labels where some classes are harder or rarer",
    "needs": "records without a label, one class each",
    "use": "ssl: {name: flexmatch, weight: 1.0, ratio: 1}",
}


@dataclass(frozen=True, kw_only=True)
class Config(Views):
    """How sure an answer must be, beside how views are disturbed (`Views`).

    Attributes:
        threshold: that of the class which has won most records.
    """

    threshold: Annotated[float, Field(ge=0, le=1)] = 0.95


def thresholds(won: Tensor, classes: int, highest: float) -> Tensor:
    """Threshold ``(classes,)`` of each class.

    Args:
        won: ``(records,)`` class that has won each record, ``classes`` where none has.
        classes: how many there are.
        highest: threshold of the class that has won most.
    """
    ones = torch.ones_like(won, dtype=torch.float32)
    counts = ones.new_zeros(classes + 1).scatter_add_(0, won, ones)
    beta = counts[:classes] / counts.max().clamp_min(1)
    return highest * beta / (2 - beta)


class FlexMatch(Consistency):
    """A threshold for each class; ``won`` remembers what each record was last sure of."""

    won: Tensor

    def __init__(self, config: Config, classes: int, records: int) -> None:
        super().__init__(config)
        self._threshold, self._classes = config.threshold, classes
        self.register_buffer("won", torch.full((records,), classes))

    def forward(self, answered: Answered) -> dict[str, Tensor]:
        """``consistency`` and the share ``kept`` of the records."""
        _, confidence, label = guessed(answered)
        least = thresholds(self.won, self._classes, self._threshold)
        found = learned(answered, label, confidence >= least[label])
        sure, numbers = confidence >= self._threshold, answered.numbers
        self.won[numbers] = torch.where(sure, label, self.won[numbers])
        return found


def refuses(config: Config, setting: Setting) -> str | None:  # noqa: ARG001
    """Why a data set cannot be served; None if it can."""
    return unserved(setting)


def build(config: Config, *, setting: Setting) -> FlexMatch:
    """The part for a model and its records."""
    return FlexMatch(config, setting.target.width, setting.records)
