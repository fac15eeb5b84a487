"""A confident answer about a weak view of an unlabelled record is learned from a strong one.

``L_u = (1/U) * sum_b 1[max q_b >= t] * CE(argmax q_b, p_b)`` with ``q_b`` the probabilities of the
weak view, without gradient, and ``p_b`` those of the strong view. The views of cached features are
Concord's own: a weak one is the stored vector with light noise, a strong one hides whole
modalities and drops and mixes entries. A trained encoder augments both.

Source: FixMatch, Sohn et al. 2020 (arXiv:2001.07685); the running mean of weights as teacher,
Tarvainen & Valpola 2017 (arXiv:1703.01780).
"""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from torch import Tensor

from components.parts.online import Answered, Setting
from components.parts.ssl._consistency import Consistency, Views, guessed, learned, unserved

METHOD = {
    "id": "S01",
    "name": "FixMatch, weak and strong views",
    "for": "few labels and many unlabelled records",
    "needs": "records without a label, one class each",
    "use": "ssl: {name: fixmatch, weight: 1.0, ratio: 1}",
}


@dataclass(frozen=True, kw_only=True)
class Config(Views):
    """How sure an answer must be, beside how views are disturbed (`Views`).

    Attributes:
        threshold: least probability of an answer that is learned; 0 learns every one.
    """

    threshold: Annotated[float, Field(ge=0, le=1)] = 0.95


class FixMatch(Consistency):
    """One threshold for all classes, for ever."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._threshold = config.threshold

    def forward(self, answered: Answered) -> dict[str, Tensor]:
        """``consistency`` and the share ``kept`` of the records."""
        _, confidence, label = guessed(answered)
        return learned(answered, label, confidence >= self._threshold)


def refuses(config: Config, setting: Setting) -> str | None:  # noqa: ARG001
    """Why a data set cannot be served; None if it can."""
    return unserved(setting)


def build(config: Config, *, setting: Setting) -> FixMatch:  # noqa: ARG001
    """The part for a model and its records."""
    return FixMatch(config)
