"""A slower copy of the network softens what is learned: classes, and which modalities match.

``theta' <- m * theta' + (1 - m) * theta`` and ``L = (1 - a) * L_hard + a * CE(softmax(teacher),
softmax(student))``. ``L_hard`` is the losses of the configuration. The soft part is the mean over
the records of the batch of the cross-entropy of the fused answer, and, over pairs of modalities,
that of the rows and columns of similarities, which have a temperature of their own. The paper's
slow rise of ``a`` in the first epoch is left out.

Source: ALBEF, Li et al. 2021 (arXiv:2107.07651); mean teacher, Tarvainen & Valpola 2017
(arXiv:1703.01780).
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from components.parts.network import ModelOutput
from components.parts.online import Answered, Setting, Ssl

METHOD = {
    "id": "S07a",
    "name": "momentum teacher",
    "for": "labels or pairs of which some are wrong",
    "needs": "classes, or two modalities of one record",
    "use": "ssl: {name: momentum_teacher}",
}


@dataclass(frozen=True, kw_only=True)
class Config:
    """How slow the teacher is, and the weight of its answers.

    Attributes:
        decay: ``m``, of the running mean of weights.
        share: ``a``, weight of the teacher's answers; the losses keep the rest.
        temperature: of the similarities.
    """

    decay: Annotated[float, Field(ge=0, lt=1)] = 0.995
    share: Annotated[float, Field(ge=0, le=1)] = 0.4
    temperature: Annotated[float, Field(ge=0.01, le=10)] = 0.07


def soft_match(
    student: tuple[Tensor, Tensor], teacher: tuple[Tensor, Tensor], both: Tensor, scale: float
) -> Tensor:
    """Cross-entropy of rows and columns of similarities to the teacher's; 0 for no record.

    Args:
        student: unit vectors ``(n, dim)`` of two modalities.
        teacher: the same by the teacher.
        both: ``(n,)`` bool, which records have both.
        scale: factor of the products.
    """
    own, wanted = (scale * a.float() @ b.float().T for a, b in (student, teacher))
    total = own.new_zeros(())
    for scores, targets in ((own, wanted), (own.T, wanted.T)):
        # Not minus infinity: 0 times that is no number.
        soft = targets.masked_fill(~both, -1e9).softmax(dim=1)
        rows = -(soft * scores.masked_fill(~both, -1e9).log_softmax(dim=1)).sum(dim=1)
        total = total + rows.masked_fill(~both, 0.0).sum() / 2
    return total / both.sum().clamp_min(1)


class MomentumTeacher(Ssl):
    """The share of the teacher stands in the terms, that of the losses in ``kept``."""

    records = "batch"

    def __init__(self, config: Config, setting: Setting) -> None:
        super().__init__()
        self._config = config
        self.decay, self.kept = config.decay, 1 - config.share
        pairs = len(setting.modalities) > 1
        self.terms = (*["classes"][: setting.target.width], *["similarity"][: int(pairs)])

    def forward(self, answered: Answered) -> dict[str, Tensor]:
        """``classes`` where something is predicted, ``similarity`` of two modalities or more."""
        found = {}
        if "classes" in self.terms:
            target, logits = answered.target, answered.teacher.logits.float()
            soft = logits.softmax(1) if target.activation == "softmax" else logits.sigmoid()
            found["classes"] = target.cross_entropy(answered.student.logits, soft).mean()
        if "similarity" in self.terms:
            found["similarity"] = self._similarity(answered)
        return {name: self._config.share * value for name, value in found.items()}

    def _similarity(self, answered: Answered) -> Tensor:
        """Mean over pairs of modalities that at least two records have."""
        student, teacher, present = answered.student, answered.teacher, answered.present
        losses, told = [], []
        for (i, a), (j, b) in combinations(enumerate(sorted(student.embeddings)), 2):
            both = present[:, i] & present[:, j]
            losses.append(soft_match(_pair(student, a, b), _pair(teacher, a, b), both, self._scale))
            told.append(both.sum() > 1)
        return torch.stack(losses).sum() / torch.stack(told).sum().clamp_min(1)

    @property
    def _scale(self) -> float:
        return 1 / self._config.temperature


def _pair(output: ModelOutput, a: str, b: str) -> tuple[Tensor, Tensor]:
    return output.embeddings[a], output.embeddings[b]


def refuses(config: Config, setting: Setting) -> str | None:  # noqa: ARG001
    """Why a data set cannot be served; None if it can."""
    if not setting.target.width and len(setting.modalities) < 2:
        return "it softens classes and pairs of modalities, and the data set has neither"
    return None


def build(config: Config, *, setting: Setting) -> MomentumTeacher:
    """The part for a model."""
    return MomentumTeacher(config, setting)
