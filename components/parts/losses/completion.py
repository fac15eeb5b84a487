"""How well a fusion guesses parts that it could not see, where they are known.

``L = sum_b (mean_i miss(g_ib, h_ib) + c InfoNCE(g_b, z_b)) / M`` over records that have b and
another modality; ``g_b`` was made from the others alone, and no gradient flows into what it is to
be. ``miss`` is the squared error as a share of the part's variance, and, where the fusion tells a
variance, its likelihood.

Source: reconstruction of hidden modalities, ActionMAE, Woo et al. 2023 (arXiv:2211.13916); the
contrast is that of CLIP, Radford et al. 2021 (arXiv:2103.00020), at its fixed first temperature.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from components.parts.losses.info_nce import info_nce
from components.parts.network import Likeness, ModelOutput

USES_UNLABELLED = True
"""Records without a label contribute too."""
MIN_MODALITIES = 2
"""A model of one modality has nothing to guess."""
FUSIONS = ("bank", "predicted", "proxy")
"""A run must have one of these, or a fusion of its own."""
_SCALE = 1 / 0.07


@dataclass(frozen=True, kw_only=True)
class Config:
    """What counts beside the squared error.

    Attributes:
        contrast: weight of the contrast between guesses and what they are to be.
    """

    contrast: Annotated[float, Field(ge=0, le=1_000_000)] = 0.1


def completion(
    output: ModelOutput,
    targets: Tensor,  # noqa: ARG001
    weights: Tensor,  # noqa: ARG001
    present: Tensor,
    likeness: Likeness | None = None,
    *,
    contrast: float,
) -> Tensor:
    """The loss of a batch.

    Args:
        output: the model's outputs; 0 where its fusion fills in nothing.
        targets: ``(batch, classes)``, not read.
        weights: ``(batch,)``, not read.
        present: ``(batch, modalities)``, modalities sorted by name.
        likeness: which records are no negatives of each other; None: none.
        contrast: see ``Config``.
    """
    losses = []
    for column, name in enumerate(sorted(output.embeddings)):
        if f"miss:{name}" not in output.extras:
            continue
        miss, known = output.extras[f"miss:{name}"].unbind(dim=1)
        both = present[:, column] & (present.sum(dim=1) > 1) & (known > 0)
        loss = miss.masked_fill(~both, 0.0).sum() / both.sum().clamp_min(1)
        if contrast:
            guess = F.normalize(output.extras[f"guess:{name}"].float(), dim=1)
            alike = likeness.among(column) if likeness is not None else None
            wanted, scale = output.embeddings[name].detach(), guess.new_tensor(_SCALE)
            loss = loss + contrast * info_nce(guess, wanted, scale, alike, both)
        losses.append(loss)
    return torch.stack(losses).mean() if losses else output.logits.sum() * 0.0


def build(config: Config) -> Callable[..., Tensor]:
    """The loss with its options."""
    return partial(completion, contrast=config.contrast)
