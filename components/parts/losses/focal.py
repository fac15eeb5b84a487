"""Cross-entropy that looks away from what is easy, with more weight for classes that still lose.

``L_c = -a_c (1 - p)^g log p`` on records that have the class and ``-a_c p^g log(1 - p)`` on those
that lack it; where a record has one class ``-a_y (1 - p_y)^g log p_y`` alone. ``a_c`` follows the
loss: with ``share_c`` the running share of class ``c`` in the losses of all classes,
``a_c = (classes * share_c)^balance``, scaled to mean 1. A share is one of the mean loss of a record
that has the class, so that a rare class counts as a frequent one does.

Source: Lin et al. 2017, Focal loss for dense object detection (arXiv:1708.02002); the weights by
share of the loss are our own reduction.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from components.parts.contracts import Target
from components.parts.network import ModelOutput

METHOD = {
    "id": "H03",
    "name": "focal loss, classes weighted by their share of the loss",
    "for": "rare classes, of sets above all",
    "needs": "labels; with `cross_entropy` of weight 0",
    "use": "losses: {cross_entropy: {weight: 0.0}, focal: {balance: 1.0}}",
}
_MOMENTUM = 0.9


@dataclass(frozen=True, kw_only=True)
class Config:
    """How far easy records and classes are looked away from.

    Attributes:
        gamma: power ``g``; 0 is the plain cross-entropy.
        balance: power of a class's share of the loss in its weight; 0: all classes weigh 1.
        modality_weight: weight of the mean over modalities of their own losses.
    """

    gamma: Annotated[float, Field(ge=0, le=10)] = 2.0
    balance: Annotated[float, Field(ge=0, le=4)] = 0.0
    modality_weight: Annotated[float, Field(ge=0, le=1_000_000)] = 1.0


def focal_cells(logits: Tensor, targets: Tensor, gamma: float, *, several: bool) -> Tensor:
    """Losses ``(batch, classes)`` before any class weighs more; 0 where nobody knows.

    Args:
        logits: ``(batch, classes)``.
        targets: ``(batch, classes)``, between 0 and 1; NaN in a set where nobody knows.
        gamma: power of what is missing to certainty.
        several: whether a record has a set of classes.
    """
    if not several:
        logs = logits.float().log_softmax(dim=1)
        return -targets * (1 - logs.exp()).clamp_min(0) ** gamma * logs
    known = ~targets.isnan()
    wanted, z = torch.where(known, targets, 0.0), logits.float()
    yes, no = nn.functional.logsigmoid(z), nn.functional.logsigmoid(-z)
    cells = -wanted * no.exp() ** gamma * yes - (1 - wanted) * yes.exp() ** gamma * no
    return torch.where(known, cells, 0.0)


class Focal(nn.Module):
    """The loss, with each class's running loss.

    Attributes:
        running: mean loss of a record that has the class ``(classes,)``, 1 before one was seen;
            empty before the first batch.
    """

    running: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self._config = config
        self.register_buffer("running", torch.zeros(0))

    def forward(
        self,
        output: ModelOutput,
        targets: Tensor,
        weights: Tensor,
        present: Tensor,
        target: Target | None = None,
    ) -> Tensor:
        """The loss of a batch.

        Args:
            output: the model's outputs.
            targets: ``(batch, classes)`` as ``target.soft`` gives them.
            weights: ``(batch,)``, 0 for records without a label.
            present: ``(batch, modalities)``, modalities sorted by name.
            target: what is predicted; by default one class.
        """
        several = target is not None and target.activation == "sigmoid"
        if not len(self.running):
            self.running = output.logits.new_ones(output.logits.shape[1], dtype=torch.float32)
        loss = self._of(output.logits, targets, weights, several, learn=True)
        own = output.modality_logits
        if self._config.modality_weight and own:
            parts = [
                self._of(own[name], targets, weights * present[:, column], several, learn=False)
                for column, name in enumerate(sorted(own))
            ]
            loss = loss + self._config.modality_weight * sum(parts[1:], parts[0]) / len(parts)
        return loss

    def _of(
        self, logits: Tensor, targets: Tensor, weights: Tensor, several: bool, *, learn: bool
    ) -> Tensor:
        used = (weights > 0)[:, None]
        cells = focal_cells(logits, targets, self._config.gamma, several=several)
        cells = cells.masked_fill(~used, 0.0)
        rows = (cells * self._weights()).sum(dim=1)
        if several:
            rows = rows / (~targets.isnan()).sum(dim=1).clamp_min(1)
        if learn and self._config.balance and self.training:
            self._follow(cells.detach(), targets, weights)
        return (weights * rows).sum() / weights.sum().clamp_min(1e-12)

    def _weights(self) -> Tensor:
        """``a (classes,)``; all 1 without balance."""
        found = (self.running / self.running.mean().clamp_min(1e-12)) ** self._config.balance
        return found / found.mean().clamp_min(1e-12)

    def _follow(self, cells: Tensor, targets: Tensor, weights: Tensor) -> None:
        """Move the running losses of the classes that the batch shows."""
        has = torch.nan_to_num(targets) * weights[:, None]
        mass = has.sum(dim=0)
        now = (cells * (has > 0) * weights[:, None]).sum(dim=0) / mass.clamp_min(1e-12)
        moved = _MOMENTUM * self.running + (1 - _MOMENTUM) * now
        self.running = torch.where(mass > 0, moved, self.running)

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Tensor],
        prefix: str,
        *rest: Any,  # noqa: ANN401 - torch's own
    ) -> None:
        kept = state_dict.get(f"{prefix}running")
        if kept is not None:  # of any number of classes
            self.running = torch.empty_like(kept, device=self.running.device)
        super()._load_from_state_dict(state_dict, prefix, *rest)


def build(config: Config) -> Focal:
    """A new loss."""
    return Focal(config)
