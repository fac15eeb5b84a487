"""Rows of similarities match rows of equal labels: every record of the class is a match.

Source: similarity distribution matching, IRRA, Jiang & Ye 2023, Cross-modal implicit relation
reasoning and aligning for text-to-image person retrieval (arXiv:2303.12501): ``p_ij =
softmax_j(z_i^a . z_j^b / tau)``, ``q_ij = 1[y_i = y_j] / sum_k 1[y_i = y_k]``,
``L = mean_i sum_j p_ij log(p_ij / (q_ij + eps))``, here the mean of both directions. A record
without a label matches itself alone. Records that are alike and have not the same label are left
out of each other's rows, as in `info_nce`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from pydantic import Field
from torch import Tensor

from components.parts.contracts import Target
from components.parts.losses._classes import same_label
from components.parts.losses._pairs import Pair, log_softmax_among, over_pairs, pairs_of
from components.parts.network import Likeness, ModelOutput

METHOD = {
    "id": "L02a",
    "name": "similarity distribution matching (SDM), IRRA",
    "for": "search by class across modalities, where a batch holds several records of a class",
    "needs": "two modalities of one record, and labels",
    "use": "losses: {cross_entropy: {}, sdm: {weight: 1.0}}",
}
USES_UNLABELLED = True
MIN_MODALITIES = 2
_EPSILON = 1e-8


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sharpness.

    Attributes:
        temperature: ``tau``; it is not learned, since a sharper row is not a better one here.
    """

    temperature: Annotated[float, Field(ge=0.005, le=10)] = 0.02


def matching(scores: Tensor, same: Tensor, compared: Tensor) -> Tensor:
    """Divergence of each row of similarities from that of labels, ``(batch,)``.

    Args:
        scores: ``(batch, batch)``, divided by the temperature.
        same: how far two records have the same label.
        compared: which record meets which.
    """
    log_p = log_softmax_among(scores, compared)
    wanted = same.masked_fill(~compared, 0.0)
    log_q = (wanted / wanted.sum(dim=1, keepdim=True) + _EPSILON).log()
    return (log_p.exp().masked_fill(~compared, 0.0) * (log_p - log_q)).sum(dim=1)


def sdm(pair: Pair, same: Tensor, temperature: float) -> Tensor:
    """The loss of one pair of modalities, a scalar."""
    scores, compared = pair.a @ pair.b.T / temperature, pair.compared(kept=same > 0)
    sides = [matching(x, same, compared) for x in (scores, scores.T)]
    return pair.mean((sides[0] + sides[1]) / 2)


def loss(
    output: ModelOutput,
    targets: Tensor,
    weights: Tensor,
    present: Tensor,
    *,
    temperature: float,
    likeness: Likeness | None = None,
    target: Target | None = None,
) -> Tensor:
    """The loss of a batch.

    Args:
        output: the model's outputs.
        targets: ``(batch, classes)`` as ``target.soft`` gives them.
        weights: ``(batch,)``, 0 for records without a label.
        present: ``(batch, modalities)``, modalities sorted by name.
        temperature: see ``Config``.
        likeness: which records are no negatives of each other; None: none.
        target: what is predicted; by default one class.
    """
    same = same_label(targets, weights, target)
    found = [(pair, sdm(pair, same, temperature)) for pair in pairs_of(output, present, likeness)]
    return over_pairs(found, output)


def build(config: Config) -> Callable[..., Tensor]:
    """The loss with its options."""
    return partial(loss, temperature=config.temperature)
