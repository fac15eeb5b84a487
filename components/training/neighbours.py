"""The neighbour graph as a member of the committee: what the nearest training records say.

The distributions are those of the graph, fit by fit, so that a labelled record is answered by its
neighbours as they are known without its fold. It is no neighbour of itself, as no new record is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from components.model.neighbours import nearest, told
from components.training.committee import Committee, Labelled, Maps, Views
from components.training.graph import side_by_side
from components.training.stacking import temper, weighed

_MOST = 4000
"""Records that are kept at most: a model carries them, and compares each request with them."""
_AT_ONCE = 1024


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """What the committee's member knows; see ``components.model.neighbours``.

    Attributes:
        shares: view name to its share of the similarity.
        rows: ``(m,)`` records of the data set.
        vectors: their views side by side ``(m, dims)``, numbers that half precision holds.
        distributions: ``(fits, m, classes)``, likewise.
        offset: ``(classes,)``, the shift to the shares of classes among all records.
        factors: what the logits count in each fit ``(fits,)``.
        sigmoid: whether a record has any number of classes.
    """

    shares: Mapping[str, float]
    rows: NDArray[np.int64]
    vectors: NDArray[np.float32]
    distributions: NDArray[np.float32]
    offset: NDArray[np.float64]
    factors: NDArray[np.float64]
    sigmoid: bool

    def logits(
        self, views: Views, rows: NDArray[np.int64], fits: Sequence[int]
    ) -> NDArray[np.float32]:
        """``(fits, n, classes)`` of some fits."""
        among, own = torch.from_numpy(self.vectors), torch.from_numpy(self.rows)
        known = torch.from_numpy(self.distributions)
        found = np.zeros((len(fits), len(rows), known.shape[2]), np.float32)
        for start in range(0, len(rows), _AT_ONCE):
            part = rows[start : start + _AT_ONCE]
            x = torch.from_numpy(side_by_side(views, self.shares, part))
            weights, numbers = nearest(x, among, torch.from_numpy(part)[:, None] == own)
            any_near = weights.sum(dim=1).numpy()[:, None] > 0
            for number, fit in enumerate(fits):
                logits = told(weights, numbers, known[fit], sigmoid=self.sigmoid).numpy()
                shifted = np.where(any_near, logits - self.offset, logits)
                found[number, start : start + _AT_ONCE] = self.factors[fit] * shifted
        return found


def with_neighbours(
    views: Views,
    labelled: Labelled,
    committee: Committee,
    *,
    shares: Mapping[str, float],
    pool: NDArray[np.int64],
    distributions: NDArray[np.float32],
    shift: NDArray[np.float64],
) -> Committee:
    """The committee with the member, where held-out records speak for it beyond chance.

    Args:
        views: of all records.
        labelled: the labelled ones.
        committee: with the shift in its constant.
        shares: view name to its share of the similarity; others are not compared.
        pool: ``(k,)`` records in the graph.
        distributions: ``(fits, k, classes)`` of these.
        shift: to the shares of the classes among all records ``(classes,)``.
    """
    if not shares or not labelled.judging.any():
        return committee
    at = _kept(pool, labelled.rows)
    alone = Neighbours(
        shares=shares,
        rows=pool[at],
        vectors=_halved(side_by_side(views, shares, pool[at])),
        distributions=_halved(distributions[:, at]),
        offset=shift,
        factors=np.ones(labelled.fits),
        sigmoid=labelled.activation == "sigmoid",
    )
    fits = range(labelled.fits)
    before = labelled.held_out(committee.every(views, labelled.rows)) - shift
    own = labelled.held_out(alone.logits(views, labelled.rows, fits))
    own *= (scale := temper(own, labelled))
    judges = np.flatnonzero(labelled.judging)
    weights = weighed(np.stack([before, own])[:, judges], labelled, judges)
    after = (weights[:, labelled.folds, None] * np.stack([before, own])).sum(axis=0)
    if not labelled.better(after, before):
        return committee
    seats = {
        key: replace(seat, maps=Maps.weighted([seat.maps], weights[:1]))
        for key, seat in committee.shifted(-shift).seats.items()
    }
    found = replace(committee, seats=seats, neighbours=replace(alone, factors=weights[1] * scale))
    return found.shifted(shift)


def _kept(pool: NDArray[np.int64], labelled: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places in the pool ``(m,)``: those with a label before others, each at even distances."""
    known = np.isin(pool, labelled)
    first = _evenly(np.flatnonzero(known), _MOST)
    return np.sort(np.append(first, _evenly(np.flatnonzero(~known), _MOST - len(first))))


def _evenly(places: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most so many of them ``(m,)``, at even distances."""
    return places[:: -(-len(places) // most) or 1] if most else places[:0]


def _halved(numbers: NDArray[np.floating]) -> NDArray[np.float32]:
    """The nearest numbers that half precision holds: a model keeps no more of them."""
    return numbers.astype(np.float16).astype(np.float32)
