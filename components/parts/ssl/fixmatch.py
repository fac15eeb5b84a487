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

from components.parts.online import Answered, Setting, Ssl
from components.parts.ssl._consistency import FIGURES, TERMS, guessed, learned, unserved, views

METHOD = {
    "id": "S01",
    "name": "FixMatch, weak and strong views",
    "for": "few labels and many unlabelled records",
    "needs": "records without a label, one class each",
    "use": "ssl: {name: fixmatch, weight: 1.0, ratio: 1}",
}


@dataclass(frozen=True, kw_only=True)
class Config:
    """How sure an answer must be, and how the views are disturbed.

    Attributes:
        threshold: least probability of an answer that is learned; 0 learns every one.
        decay: of the running mean of weights that answers the weak views; null: the student.
        noise: deviation of the noise on stored vectors in both views, in units of theirs.
        drop: share of entries that the strong view loses; of a picture a square.
        mix: share of entries that the strong view has from another record.
        hide: probability that the strong view lacks a whole modality; one always stays.
    """

    threshold: Annotated[float, Field(ge=0, le=1)] = 0.95
    decay: Annotated[float, Field(ge=0, lt=1)] | None = None
    noise: Annotated[float, Field(ge=0, le=10)] = 0.1
    drop: Annotated[float, Field(ge=0, lt=1)] = 0.3
    mix: Annotated[float, Field(ge=0, lt=1)] = 0.1
    hide: Annotated[float, Field(ge=0, lt=1)] = 0.3


class FixMatch(Ssl):
    """One threshold for all classes, for ever."""

    terms, figures = TERMS, FIGURES

    def __init__(self, config: Config) -> None:
        super().__init__()
        self._threshold = config.threshold
        self.decay = config.decay
        for name, view in views(config.noise, config.drop, config.mix, config.hide).items():
            setattr(self, name, view)

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
