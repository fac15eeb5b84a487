"""Each modality's own answer is learned too, with a weight of its own.

``L = sum_m l_m * CE(head_m(h^m), y)`` over the records with a label that have the modality, beside
the loss of the fused answer. ``cross_entropy`` has the even mean of the same, by its
``modality_weight``; set that to 0 where this stands in its place.

Source: Wang et al. 2020, What makes training multi-modal classification networks hard?
(arXiv:1905.12681); Kontras et al. 2024, Multi-loss gradient modulation (arXiv:2405.07930).
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated

from pydantic import Field
from torch import Tensor

from components.core.errors import unknown_name
from components.parts.contracts import Target
from components.parts.losses.cross_entropy import weighted_cross_entropy
from components.parts.network import ModelOutput

METHOD = {
    "id": "B01",
    "name": "auxiliary single-modality heads",
    "for": "a weak modality that the fused loss leaves behind",
    "needs": "two modalities and labels",
    "use": "losses: {cross_entropy: {modality_weight: 0}, modality_heads: {weight: 1.0}}",
}


@dataclass(frozen=True, kw_only=True)
class Config:
    """Weights of the modalities.

    Attributes:
        each: modality name to its ``l_m``; 1 for one that is not named.
    """

    each: dict[str, Annotated[float, Field(ge=0, le=1_000_000)]] = field(default_factory=dict)


def modality_heads(
    output: ModelOutput,
    targets: Tensor,
    weights: Tensor,
    present: Tensor,
    *,
    each: dict[str, float],
    target: Target | None = None,
) -> Tensor:
    """The loss of a batch.

    Args:
        output: the model's outputs.
        targets: ``(batch, classes)`` as ``target.soft`` gives them.
        weights: ``(batch,)``, 0 for records without a label.
        present: ``(batch, modalities)``, modalities sorted by name.
        each: see ``Config``.
        target: what is predicted; by default one class.
    """
    total = output.logits.float().sum() * 0.0
    for column, name in enumerate(sorted(output.modality_logits)):
        own = weights * present[:, column]
        found = weighted_cross_entropy(output.modality_logits[name], targets, own, target)
        total = total + each.get(name, 1.0) * found
    return total


def unsuited(config: Config, modalities: Collection[str]) -> str | None:
    """Why options cannot serve a data set; None if they can."""
    for name in config.each:
        if name not in modalities:
            return f"each: {unknown_name('modality', name, modalities)}"
    return None


def build(config: Config) -> Callable[..., Tensor]:
    """The loss with its options."""
    return partial(modality_heads, each=config.each)
