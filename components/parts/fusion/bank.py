"""A bank of typical records stands in for what a record lacks.

The bank holds the parts ``k_q^m`` of ``Q`` training records. A record that lacks b gets ``g_b =
sum_q softmax_q(mean_a h_a . k_q^a / sqrt(d)) k_q^b``, the mean over what it has: the parts of
records like it. The bank is learned from there on.

Source: stand-ins from banks as in PTUnifier, Chen et al. 2023 (arXiv:2302.08958); keys that are the
parts of the same record are our own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from components.parts.fusion._completing import Completing, needs_completion

METHOD = {
    "id": "M02b",
    "name": "stand-in bank",
    "for": "missing modalities, with records of one modality only among the complete ones",
    "needs": "two modalities, and training records that have both",
    "use": "model: {fusion: bank} and losses: {cross_entropy: {}, completion: {weight: 1.0}}",
}


@dataclass(frozen=True, kw_only=True)
class Config:
    """Size and start of the bank, and the mixing layer.

    Attributes:
        hidden: width of the mixing layer, see ``concat``.
        size: records in the bank.
        start: ``records`` of the training set, or ``random`` vectors, which are a control.
        learned: whether training changes the bank.
    """

    hidden: Annotated[int, Field(ge=1, le=65_536)] = 256
    size: Annotated[int, Field(ge=2, le=65_536)] = 64
    start: Literal["records", "random"] = "records"
    learned: bool = True


def unsuited(losses: Mapping[str, Mapping[str, Any]], modalities: int) -> str | None:
    """Why a run cannot use it."""
    return needs_completion("bank", losses, modalities)


class Bank(nn.Module):
    """The parts of records, ``(modalities, size, dim)``."""

    started: Tensor

    def __init__(self, config: Config, names: tuple[str, ...], dim: int) -> None:
        super().__init__()
        self._names, self._start = names, config.start
        vectors = torch.randn(len(names), config.size, dim)
        self.records = nn.Parameter(vectors, requires_grad=config.learned)
        self.register_buffer("started", torch.tensor(config.start == "random"))

    def fit_parts(self, parts: Mapping[str, Tensor], present: Tensor) -> None:
        """Fill the bank with the parts of evenly spaced training records, once.

        They are complete records where there are any; a part that a record lacks is the mean.
        """
        if bool(self.started) or not len(present):
            return
        self.started.fill_(True)
        complete = present.all(dim=1)
        usable = torch.where(complete, complete, ~complete.any()).nonzero().squeeze(1)
        count = self.records.shape[1]
        at = usable[torch.linspace(0, len(usable) - 1, count, device=usable.device).round().long()]
        for column, name in enumerate(self._names):
            has = present[:, column, None]
            mean = (parts[name] * has).sum(dim=0) / has.sum().clamp_min(1)
            self.records[column] = torch.where(has, parts[name], mean)[at]

    def guess(
        self, column: int, parts: Mapping[str, Tensor], others: Tensor
    ) -> tuple[Tensor, None]:
        """See ``Filling``."""
        scale = self.records.shape[2] ** 0.5
        scores = torch.stack(
            [
                (parts[name] @ self.records[i].T / scale) * others[:, i, None]
                for i, name in enumerate(self._names)
            ]
        ).sum(dim=0) / others.sum(dim=1, keepdim=True).clamp_min(1)
        return scores.softmax(dim=1) @ self.records[column], None


def build(config: Config, *, names: tuple[str, ...], dim: int, dropout: float) -> Completing:
    """A new fusion of modalities in this order."""
    return Completing(Bank(config, names, dim), names, dim, dropout, config.hidden)
