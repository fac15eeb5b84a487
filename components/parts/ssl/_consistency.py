"""What methods share that learn a confident answer about a weak view from a strong one."""

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from components.parts.network import Disturbance
from components.parts.online import Answered, Setting, Ssl

TERMS, FIGURES = ("consistency",), ("kept",)
"""The loss, and the mean weight of an unlabelled record."""


@dataclass(frozen=True, kw_only=True)
class Views:
    """How the views are disturbed, and who answers the weak one.

    Attributes:
        decay: of the running mean of weights that answers the weak views; null: the student.
        noise: deviation of the noise on stored vectors in both views, in units of theirs.
        drop: share of entries that the strong view loses; of a picture a square.
        mix: share of entries that the strong view has from another record.
        hide: probability that the strong view lacks a whole modality; one always stays.
    """

    decay: Annotated[float, Field(ge=0, lt=1)] | None = None
    noise: Annotated[float, Field(ge=0, le=10)] = 0.1
    drop: Annotated[float, Field(ge=0, lt=1)] = 0.3
    mix: Annotated[float, Field(ge=0, lt=1)] = 0.1
    hide: Annotated[float, Field(ge=0, lt=1)] = 0.3


class Consistency(Ssl):
    """The weak view has light noise alone; the strong one has it too, and all else."""

    terms = TERMS
    figures: tuple[str, ...] = FIGURES

    def __init__(self, views: Views) -> None:
        super().__init__()
        self.decay = views.decay
        self.weak = Disturbance(noise=views.noise)
        self.strong = Disturbance(
            noise=views.noise, drop=views.drop, mix=views.mix, hide=views.hide
        )


def guessed(answered: Answered) -> tuple[Tensor, Tensor, Tensor]:
    """The teacher's probabilities ``(batch, classes)``; the highest and its class, ``(batch,)``."""
    probabilities = answered.teacher.logits.float().softmax(dim=1)
    confidence, label = probabilities.max(dim=1)
    return probabilities, confidence, label


def learned(answered: Answered, label: Tensor, weight: Tensor) -> dict[str, Tensor]:
    """``(1/U) * sum_b weight_b * CE(label_b, p_b)`` and the mean weight.

    Args:
        answered: its student answers the strong views.
        label: ``(batch,)`` class that the teacher names.
        weight: ``(batch,)``.
    """
    rows = F.cross_entropy(answered.student.logits.float(), label, reduction="none")
    weight = weight.to(rows.dtype)
    return {"consistency": (weight * rows).mean(), "kept": weight.mean()}


def unserved(setting: Setting) -> str | None:
    """Why a data set cannot be served by methods of this kind."""
    if setting.target.activation != "softmax":
        return "it teaches one class for each record, and the target is of another kind"
    if not setting.records:
        return (
            "it learns from training records without a visible label, and there are none; leave "
            "`ssl` out, or add such records"
        )
    return None


def mean_of(state: Tensor, now: Tensor, decay: float) -> Tensor:
    """Move a running mean, which stays where it is, towards what is seen now."""
    with torch.no_grad():
        state.lerp_(now.to(state.dtype), 1 - decay)
    return state
