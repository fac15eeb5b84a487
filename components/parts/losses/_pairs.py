"""What losses that compare two modalities of one record share: the pairs, and who is compared."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from components.parts.network import Likeness, ModelOutput


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two modalities of the records of a batch.

    Attributes:
        first: name of one.
        second: name of the other.
        a: unit vectors of the first ``(batch, dim)``.
        b: those of the second.
        both: ``(batch,)`` bool, which records have both.
        alike: symmetric ``(batch, batch)`` bool, which records are no negatives of each other;
            None: none.
    """

    first: str
    second: str
    a: Tensor
    b: Tensor
    both: Tensor
    alike: Tensor | None

    def compared(self, kept: Tensor | None = None) -> Tensor:
        """Which record ``(batch, batch)`` meets which; each meets itself, also where it is absent.

        Args:
            kept: ``(batch, batch)`` bool, pairs that stay although they are alike.
        """
        found = self.both[:, None] & self.both
        if self.alike is not None:
            found = found & (~self.alike if kept is None else ~self.alike | kept)
        return found | torch.eye(len(found), dtype=torch.bool, device=found.device)

    def mean(self, rows: Tensor) -> Tensor:
        """The mean of rows ``(batch,)`` over the records that have both."""
        return rows.masked_fill(~self.both, 0.0).sum() / self.both.sum().clamp_min(1)


def pairs_of(
    output: ModelOutput, present: Tensor, likeness: Likeness | None = None
) -> Iterator[Pair]:
    """Every pair of modalities, sorted by name.

    Args:
        output: the model's outputs.
        present: ``(batch, modalities)``, modalities sorted by name.
        likeness: which records are no negatives of each other; None: none.
    """
    for (i, first), (j, second) in combinations(enumerate(sorted(output.embeddings)), 2):
        yield Pair(
            first=first,
            second=second,
            a=output.embeddings[first].float(),
            b=output.embeddings[second].float(),
            both=present[:, i] & present[:, j],
            alike=likeness.among(i, j) if likeness is not None else None,
        )


def over_pairs(found: Sequence[tuple[Pair, Tensor]], output: ModelOutput) -> Tensor:
    """The mean of losses over the pairs of modalities that at least two records have."""
    if not found:
        return output.logits.sum() * 0.0
    # A single record has nothing to be compared with.
    told = torch.stack([pair.both.sum() > 1 for pair, _ in found])
    return (torch.stack([loss for _, loss in found]) * told).sum() / told.sum().clamp_min(1)


def log_softmax_among(scores: Tensor, compared: Tensor) -> Tensor:
    """``log softmax`` of each row over what is compared ``(batch, batch)``; 0 elsewhere."""
    found = scores.masked_fill(~compared, -torch.inf).log_softmax(dim=1)
    return found.masked_fill(~compared, 0.0)


def cosines(frozen: Tensor) -> Tensor:
    """Cosines ``(batch, batch)`` of the features ``(batch, dims)`` of a frozen encoder."""
    unit = torch.nn.functional.normalize(frozen.detach().float(), dim=1)
    return unit @ unit.T
