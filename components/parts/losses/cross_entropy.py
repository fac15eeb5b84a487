"""Cross-entropy of the fused answer and, with a weight, of each modality's own answer.

A target says what the cross-entropy of a record is: over its classes, or, where a record has a set
of classes, the binary one of each class.

Source: ``L = sum_i w_i H(q_i, p_i) / sum_i w_i`` with ``H(q, p) = -sum_c q_c log p_c``; the extra
heads keep weak modalities learning, as in Wang et al. 2020, What makes training multi-modal
classification networks hard? (arXiv:1905.12681).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from pydantic import Field
from torch import Tensor

from components.parts.contracts import Target
from components.parts.network import ModelOutput


@dataclass(frozen=True, kw_only=True)
class Config:
    """Weight of the modalities' own answers.

    Attributes:
        modality_weight: weight of the mean over modalities of their own cross-entropy; 0 trains
            only the fused answer.
    """

    modality_weight: Annotated[float, Field(ge=0, le=1_000_000)] = 1.0


def weighted_cross_entropy(
    logits: Tensor, targets: Tensor, weights: Tensor, target: Target | None = None
) -> Tensor:
    """Mean cross-entropy by weight; 0 where all weights are 0.

    Args:
        logits: ``(batch, classes)``.
        targets: ``(batch, classes)`` as ``target.soft`` gives them.
        weights: ``(batch,)``; a row of weight 0 is left out, even with logits that are not finite.
        target: what is predicted; by default one class.
    """
    used = weights > 0
    rows = (
        -(targets * logits.float().log_softmax(dim=1)).sum(dim=1)
        if target is None
        else target.cross_entropy(logits, targets)
    )
    return (weights * rows.masked_fill(~used, 0.0)).sum() / weights.sum().clamp_min(1e-12)


def cross_entropy(
    output: ModelOutput,
    targets: Tensor,
    weights: Tensor,
    present: Tensor,
    *,
    modality_weight: float,
    target: Target | None = None,
) -> Tensor:
    """The loss of a batch.

    Args:
        output: the model's outputs.
        targets: ``(batch, classes)`` as ``target.soft`` gives them.
        weights: ``(batch,)``, 0 for records without a label.
        present: ``(batch, modalities)``, modalities sorted by name.
        modality_weight: see ``Config``.
        target: what is predicted; by default one class.
    """
    loss = weighted_cross_entropy(output.logits, targets, weights, target)
    if modality_weight and output.modality_logits:
        own = [
            weighted_cross_entropy(
                output.modality_logits[name], targets, weights * present[:, column], target
            )
            for column, name in enumerate(sorted(output.modality_logits))
        ]
        loss = loss + modality_weight * sum(own[1:], own[0]) / len(own)
    return loss


def build(config: Config) -> Callable[..., Tensor]:
    """The loss with its options."""
    return partial(cross_entropy, modality_weight=config.modality_weight)
