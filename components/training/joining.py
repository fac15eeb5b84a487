"""Whether the neighbour graph joins the committee as a member, for new records too."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from components.training.committee import Committee, Maps
from components.training.graph import side_by_side
from components.training.labelled import Labelled
from components.training.neighbours import Neighbours
from components.training.stacking import temper, weighed
from components.training.views import Views

_MOST = 4000
"""Records that are kept at most: a model carries them, and compares each request with them."""


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
        offset=shift + labelled.prior[-1],
        factors=np.ones(labelled.fits),
        sigmoid=labelled.activation == "sigmoid",
    )
    fits = range(labelled.fits)
    prior = labelled.prior_of()
    before = labelled.held_out(committee.every(views, labelled.rows)) - shift
    own = labelled.held_out(alone.logits(views, labelled.rows, fits))
    own *= (scale := temper(own, labelled))
    judges = np.flatnonzero(labelled.judging)
    said = np.stack([before - prior, own])
    weights = weighed(said[:, judges], labelled, judges)
    after = prior + (weights[:, labelled.folds, None] * said).sum(axis=0)
    # A further weight must be worth more than one nat in all (Akaike 1974).
    gain = len(judges) * (labelled.loss(before) - labelled.loss(after))
    if gain < 1 or not labelled.better(after, before):
        return committee
    seats = {
        key: replace(seat, maps=_weighted(seat.maps, labelled, weights[:1]))
        for key, seat in committee.shifted(-shift).seats.items()
    }
    found = replace(committee, seats=seats, neighbours=replace(alone, factors=weights[1] * scale))
    return found.shifted(shift)


def _weighted(maps: Maps, labelled: Labelled, weights: NDArray[np.float64]) -> Maps:
    """What maps say beyond the prior, times weights ``(1, fits)``, and the prior."""
    return Maps.weighted([maps.plus(-labelled.prior)], weights).plus(labelled.prior)


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
