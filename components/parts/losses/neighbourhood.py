"""The shared space keeps the neighbourhoods that each frozen encoder sees.

Source: STRUCTURE, Gröger et al. 2025, With limited data for multimodal alignment, let the STRUCTURE
guide you (arXiv:2506.16895): ``P = softmax(X X^T / tau)`` of the frozen vectors and ``P'`` of the
projected ones, both scaled to unit length and centred over the batch; ``R = (1/L) sum_l
JS(P^l, P'^l) / l`` over the steps ``l`` of the random walk, the mean over modalities. It is added
to a contrast with a weight of 10; one step and ``tau = 0.07`` are the authors' defaults. Their code
exchanges the arguments of the divergences; here they are those of Jensen and Shannon.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from components.parts.network import ModelOutput

METHOD = {
    "id": "L08",
    "name": "neighbourhood-preserving regulariser, STRUCTURE",
    "for": "aligning modalities with few pairs",
    "needs": "two modalities of one record, one of them with a frozen encoder",
    "use": "losses: {cross_entropy: {}, info_nce: {}, neighbourhood: {weight: 10.0}}",
}
USES_UNLABELLED = True
MIN_MODALITIES = 2
_EPSILON = 1e-12


@dataclass(frozen=True, kw_only=True)
class Config:
    """What a neighbourhood is.

    Attributes:
        temperature: ``tau``.
        steps: ``L``, steps of the random walk.
    """

    temperature: Annotated[float, Field(ge=0.005, le=10)] = 0.07
    steps: Annotated[int, Field(ge=1, le=8)] = 1


def walk(vectors: Tensor, there: Tensor, temperature: float) -> Tensor:
    """Steps of a random walk among the records that are there ``(n, n)``; others stay put.

    Args:
        vectors: ``(n, dims)`` of any length.
        there: ``(n,)`` bool.
        temperature: ``tau``.
    """
    unit = F.normalize(vectors.float(), dim=1).masked_fill(~there[:, None], 0.0)
    centred = (unit - unit.sum(dim=0) / there.sum().clamp_min(1)).masked_fill(~there[:, None], 0.0)
    own = torch.eye(len(there), dtype=torch.bool, device=there.device)
    allowed = (there[:, None] & there) | own
    scores = centred @ centred.T / temperature
    return scores.masked_fill(~allowed, -torch.inf).softmax(dim=1)


def jensen_shannon(p: Tensor, q: Tensor) -> Tensor:
    """Divergence of each row of two matrices of probabilities, ``(n,)``."""
    middle = ((p + q) / 2).clamp_min(_EPSILON).log()
    sides = [x * (x.clamp_min(_EPSILON).log() - middle) for x in (p, q)]
    return (sides[0] + sides[1]).sum(dim=1) / 2


def kept(frozen: Tensor, projected: Tensor, there: Tensor, config: Config) -> Tensor:
    """How far neighbourhoods differ, a scalar.

    Args:
        frozen: ``(n, dims)`` of frozen encoders.
        projected: ``(n, dim)`` in the shared space.
        there: ``(n,)`` bool, which records have the modality.
        config: what a neighbourhood is.
    """
    before = walk(frozen.detach(), there, config.temperature)
    after = walk(projected, there, config.temperature)
    p, q = before, after
    rows = jensen_shannon(p, q)
    for step in range(2, config.steps + 1):
        p, q = p @ before, q @ after
        rows = rows + jensen_shannon(p, q) / step
    return rows.masked_fill(~there, 0.0).sum() / there.sum().clamp_min(1) / config.steps


def loss(
    output: ModelOutput,
    targets: Tensor,  # noqa: ARG001
    weights: Tensor,  # noqa: ARG001
    present: Tensor,
    *,
    config: Config,
    frozen: Mapping[str, Tensor] | None = None,
) -> Tensor:
    """The loss of a batch.

    Args:
        output: the model's outputs.
        targets: not read.
        weights: not read.
        present: ``(batch, modalities)``, modalities sorted by name.
        config: what a neighbourhood is.
        frozen: modality name to the vectors of its frozen encoders ``(batch, dims)``; one without
            such encoders is left out.
    """
    known = frozen or {}
    found = [
        kept(known[name], output.embeddings[name], present[:, column], config)
        for column, name in enumerate(sorted(output.embeddings))
        if name in known and known[name].shape[1]
    ]
    return torch.stack(found).mean() if found else output.logits.sum() * 0.0


def build(config: Config) -> Callable[..., Tensor]:
    """The loss with its options."""
    return partial(loss, config=config)
