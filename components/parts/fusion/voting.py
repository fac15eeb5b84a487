"""Late voting: each modality answers for itself, and the answers are joined.

``product``: ``log p = sum_m g_m log p_m - log Z``; ``mean``: ``p = sum_m g_m p_m``; ``vote``: the
same of decisions, each all or nothing. ``p_m`` is the answer of modality m at its temperature, and
``g_m = a_m w_m / sum_n a_n w_n`` over what is there. Nothing is learned of two modalities together.

Source: product of experts, Hinton 2002, Training products of experts by minimizing contrastive
divergence; opinion pools, Genest & Zidek 1986, Combining probability distributions; temperatures,
Guo et al. 2017 (arXiv:1706.04599). Weights are the likelihood ``exp(-log-loss)`` of held-out
records, our own choice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from components.parts.network import Fused

METHOD = {
    "id": "F11",
    "name": "late voting (product of experts, weighted mean, vote)",
    "for": "modalities that come and go, and answers that can be traced to each of them",
    "needs": "two modalities that each tell the label by themselves",
    "use": "model: {fusion: voting}",
}
_LEAST = 1e-6
"""Least probability, so that no answer is impossible."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """How answers are joined.

    Attributes:
        rule: ``product`` of experts, weighted ``mean`` of probabilities, or ``vote`` of decisions.
    """

    rule: Literal["product", "mean", "vote"] = "product"


def unsuited(losses: Mapping[str, Mapping[str, Any]], modalities: int) -> str | None:  # noqa: ARG001
    """Why a run cannot use it: nothing would teach the modalities' own answers."""
    own = losses.get("cross_entropy", {"modality_weight": 0})
    if own.get("weight", 1) and own.get("modality_weight", 1):
        return None
    return (
        "voting joins the modalities' own answers, which nothing teaches here; wanted"
        " `losses: {cross_entropy: {modality_weight: 1.0}}`"
    )


def shares(weight: Tensor, present: Tensor) -> Tensor:
    """Weights ``(batch, modalities)`` that sum to 1 over what is there, of ``weight (M,)``.

    >>> shares(torch.tensor([1.0, 3.0, 2.0]), torch.tensor([[True, True, False]])).tolist()
    [[0.25, 0.75, 0.0]]
    """
    own = weight * present
    return own / own.sum(dim=1, keepdim=True).clamp_min(_LEAST)


def joined(logits: Tensor, share: Tensor, *, rule: str, sigmoid: bool) -> Tensor:
    """Logits ``(batch, classes)`` of calibrated ones ``(batch, modalities, classes)``.

    Args:
        logits: of each modality; those of weight 0 are not read.
        share: ``(batch, modalities)``, see ``shares``.
        rule: see ``Config``.
        sigmoid: each class is a question of its own.
    """
    logits = torch.where(share[:, :, None] > 0, logits, torch.zeros_like(logits))
    if rule == "product":
        logs = logits if sigmoid else logits.log_softmax(dim=2)
        return (share[:, :, None] * logs).sum(dim=1)
    if rule == "mean":
        chances = torch.sigmoid(logits) if sigmoid else logits.softmax(dim=2)
    elif sigmoid:
        chances = (logits > 0).to(logits.dtype)
    else:
        chances = F.one_hot(logits.argmax(dim=2), logits.shape[2]).to(logits.dtype)
    mean = (share[:, :, None] * chances).sum(dim=1).clamp(_LEAST, 1 - _LEAST)
    return torch.logit(mean) if sigmoid else mean.log()


class Voting(nn.Module):
    """Joined answers of modalities ``names``; their mean part is the vector to search by."""

    temperature: Tensor
    weight: Tensor

    def __init__(self, config: Config, names: tuple[str, ...]) -> None:
        super().__init__()
        self._names, self._rule = names, config.rule
        self.register_buffer("temperature", torch.ones(len(names)))
        self.register_buffer("weight", torch.ones(len(names)))

    def weigh(self, temperature: Sequence[float], weight: Sequence[float]) -> None:
        """Set temperature and weight of each modality, in the order of ``names``."""
        self.temperature.copy_(torch.tensor(temperature))
        self.weight.copy_(torch.tensor(weight))

    def forward(self, parts: dict[str, Tensor], present: Tensor) -> Tensor:
        """The weighted mean ``(batch, dim)`` of the parts.

        Args:
            parts: modality name to ``(batch, dim)``.
            present: ``(batch, modalities)``, in the order of ``names``.
        """
        stacked = torch.stack([parts[name] for name in self._names], dim=1)
        return (shares(self.weight, present)[:, :, None].to(stacked.dtype) * stacked).sum(dim=1)

    def vote(self, logits: Mapping[str, Tensor], present: Tensor, *, sigmoid: bool) -> Fused:
        """Joined logits ``(batch, classes)``, and as extra ``weights (batch, modalities)``.

        Each modality learns from its own answers alone, so no gradient flows.

        Args:
            logits: modality name to its own ``(batch, classes)``.
            present: ``(batch, modalities)``, in the order of ``names``.
            sigmoid: each class is a question of its own.
        """
        own = torch.stack([logits[name].detach().float() for name in self._names], dim=1)
        share = shares(self.weight, present)
        found = joined(own / self.temperature[:, None], share, rule=self._rule, sigmoid=sigmoid)
        return Fused(vector=found, extras={"weights": share})


def build(
    config: Config,
    *,
    names: tuple[str, ...],
    dim: int,  # noqa: ARG001
    dropout: float,  # noqa: ARG001
) -> Voting:
    """A new vote of modalities in this order."""
    return Voting(config, names)
