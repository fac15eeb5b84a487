"""Whether a composer finds more than the plain sum, on triplets that it did not learn from."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.training.held_out import LEAST

_FIRST = 10


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Recall at 10 of both; None without held-out triplets.

    Attributes:
        composer: of the composer.
        sum: of the plain sum.
        standard_error: of their difference; triplets of one target's group count together.
        judged: how many triplets.
        gallery: among how many records the target is looked for.
    """

    composer: float | None
    sum: float | None
    standard_error: float | None
    judged: int
    gallery: int

    @property
    def kept(self) -> bool:
        """Whether at least 50 triplets speak for it by more than one standard error."""
        if self.composer is None or self.sum is None or self.standard_error is None:
            return False
        return self.judged >= LEAST and self.composer - self.sum > self.standard_error

    def words(self) -> str:
        """What was found, for people."""
        if self.composer is None or self.judged < LEAST:
            few = f"{self.judged} held-out triplets, wanted at least {LEAST}"
            return f"composer: not kept, too few could judge it: {few}"
        kept = "kept" if self.kept else "not kept, a search takes the sum"
        return (
            f"composer: recall@10 {self.composer:.3f}, of the plain sum {self.sum:.3f}"
            f" (on {self.judged} held-out triplets): {kept}"
        )


def judged(
    *,
    queries: Mapping[str, NDArray[np.floating]],
    gallery: NDArray[np.floating],
    groups: NDArray[np.int64],
    references: NDArray[np.int64],
    targets: NDArray[np.int64],
) -> Judged:
    """Compare ``composer`` and ``sum``.

    Args:
        queries: unit vectors ``(k, dim)`` of each.
        gallery: unit vectors of the records that are searched ``(g, dim)``.
        groups: number of each record's group ``(g,)``.
        references: positions ``(k,)`` of the records that a search names; they are no hits.
        targets: positions ``(k,)`` of what should be found; any record of its group counts.
    """
    k, g = len(targets), len(gallery)
    if k == 0:
        return Judged(composer=None, sum=None, standard_error=None, judged=0, gallery=g)
    found = {
        name: found_among_first(vectors @ gallery.T, groups, references, targets)
        for name, vectors in queries.items()
    }
    gain = found["composer"].astype(float) - found["sum"].astype(float)
    together = np.bincount(groups[targets], weights=gain - gain.mean())
    return Judged(
        composer=float(found["composer"].mean()),
        sum=float(found["sum"].mean()),
        standard_error=float(np.sqrt(np.square(together).sum()) / k),
        judged=k,
        gallery=g,
    )


def found_among_first(
    scores: NDArray[np.floating],
    groups: NDArray[np.int64],
    references: NDArray[np.int64],
    targets: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Which searches ``(k,)`` have their target among the first ten; ties count against it."""
    scores = np.array(scores)
    scores[np.arange(len(scores)), references] = -np.inf
    right = groups == groups[targets][:, None]
    best = np.where(right, scores, -np.inf).max(axis=1, keepdims=True)
    before = ((scores >= best) & ~right).sum(axis=1)
    return np.asarray(before < _FIRST)
