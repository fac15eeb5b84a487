"""The committee: for each subset of modalities, the weighted sum of light heads.

The members of a seat are heads on every view of its modalities, and on all of these side by side.
Each member is fitted once for each fold of the labelled records, without that fold, and once with
all of them. Its strength, its weight and the scale of the sum come from the answers for records
that were held out. All members are linear, so a seat is one linear map for each view. A record is
answered by the seat of the modalities that it has.

Source: stacking, Wolpert 1992 (doi:10.1016/S0893-6080(05)80023-1), with non-negative weights as in
Breiman 1996 (doi:10.1007/BF00117832); logarithmic pooling, Genest & Zidek 1986.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from components.model.subsets import REST, subset_key, subsets
from components.parts.linear import Linear
from components.training.labelled import Labelled
from components.training.neighbours import Neighbours
from components.training.views import Views, modality_of

_EVERY = 3
"""Modalities up to which each subset of them has seats of its own."""


@dataclass(frozen=True, kw_only=True)
class Maps:
    """A sum of linear maps, ``fits`` times.

    Attributes:
        of: view name to weights ``(fits, dim, classes)`` and biases, which count only where a
            record has the view.
        constant: ``(fits, classes)``.
    """

    of: Mapping[str, Linear]
    constant: NDArray[np.float32]

    @classmethod
    def side_by_side(cls, linear: Linear, dims: Mapping[str, int]) -> "Maps":
        """The map of several views in one row; of one view alone its bias goes with the view."""
        if len(dims) == 1:
            return cls(of=dict.fromkeys(dims, linear), constant=np.zeros_like(linear.bias))
        ends = np.cumsum(list(dims.values()))
        parts = np.split(linear.weight, ends[:-1], axis=1)
        none = np.zeros_like(linear.bias)
        found = {v: Linear(weight=w, bias=none) for v, w in zip(dims, parts, strict=True)}
        return cls(of=found, constant=linear.bias)

    def logits(
        self, views: Views, fit: int, rows: NDArray[np.int64] | slice = slice(None)
    ) -> NDArray[np.float32]:
        """``(n, classes)`` of one of the fits."""
        parts = [
            linear.logits(views.features[view][rows], fit) * views.present[view][rows, None]
            for view, linear in self.of.items()
        ]
        found: NDArray[np.float32] = np.sum([self.constant[fit] + parts[0], *parts[1:]], axis=0)
        return found

    def held_out(self, views: Views, labelled: Labelled) -> NDArray[np.float64]:
        """Logits ``(k, classes)`` of labelled records, each by the fit without it."""
        found = np.zeros(labelled.targets.shape)
        for fit in range(labelled.fits - 1):
            at = labelled.folds == fit
            found[at] = self.logits(views, fit, labelled.rows[at])
        return found

    def times(self, factor: float) -> "Maps":
        """The same with all logits multiplied."""
        of = {view: linear.times(factor) for view, linear in self.of.items()}
        return Maps(of=of, constant=self.constant * np.float32(factor))

    def plus(self, constant: NDArray[np.floating]) -> "Maps":
        """The same with ``(fits, classes)`` or ``(classes,)`` added to all logits."""
        return replace(self, constant=self.constant + constant.astype(np.float32))

    @staticmethod
    def weighted(parts: Sequence["Maps"], weights: NDArray[np.float64]) -> "Maps":
        """The sum of several, each times its weights ``(parts, fits)``."""
        factors = weights.astype(np.float32)
        views = dict.fromkeys(view for part in parts for view in part.of)
        of = {}
        for view in views:
            counted = [(p.of[view], w) for p, w in zip(parts, factors, strict=True) if view in p.of]
            of[view] = Linear(
                weight=np.sum([linear.weight * w[:, None, None] for linear, w in counted], axis=0),
                bias=np.sum([linear.bias * w[:, None] for linear, w in counted], axis=0),
            )
        constants = [p.constant * w[:, None] for p, w in zip(parts, factors, strict=True)]
        return Maps(of=of, constant=np.sum(constants, axis=0))


@dataclass(frozen=True, kw_only=True)
class Member:
    """One head on one view, or on all views of a seat side by side.

    Attributes:
        head: name of the head.
        view: what it reads.
        loss: of held-out records that have one of the seat's modalities.
        weight: what its logits count times in the seat.
    """

    head: str
    view: str
    loss: float
    weight: float


@dataclass(frozen=True, kw_only=True)
class Seat:
    """What answers for records that have just some modalities.

    Attributes:
        maps: the weighted sum of its members.
        members: what it was made of.
    """

    maps: Maps
    members: tuple[Member, ...]


@dataclass(frozen=True, kw_only=True)
class Committee:
    """Seats for subsets of modalities.

    Attributes:
        seats: the key of a subset to its seat; ``*`` has all views and answers for every other
            subset.
        left_out: heads and views that would have been too much work.
        neighbours: a member beside all seats, which compares records with training records.
    """

    seats: Mapping[str, Seat]
    left_out: tuple[tuple[str, str], ...] = ()
    neighbours: Neighbours | None = None

    @property
    def widest(self) -> Seat:
        """The seat of records that have everything."""
        read = {modality_of(view) for seat in self.seats.values() for view in seat.maps.of}
        return self.seats.get(subset_key(sorted(read)), self.seats[REST])

    def logits(
        self, views: Views, fit: int = -1, rows: NDArray[np.int64] | None = None
    ) -> NDArray[np.float32]:
        """``(n, classes)`` of one of the fits; the last one saw all labelled records."""
        rows = np.arange(len(views.anything)) if rows is None else rows
        found = self._of_seats(views, fit, rows)
        return (
            found
            if self.neighbours is None
            else found + self.neighbours.logits(views, rows, [fit])[0]
        )

    def _of_seats(self, views: Views, fit: int, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        keys = np.array(views.keys(rows), dtype=object)
        rest = self.seats[REST].maps
        found = np.zeros((len(rows), rest.constant.shape[1]), np.float32)
        for key in dict.fromkeys(keys):
            at = np.flatnonzero(keys == key)
            maps = self.seats[key].maps if key in self.seats else rest
            found[at] = maps.logits(views, fit, rows[at])
        return found

    def every(self, views: Views, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Logits ``(fits, n, classes)`` of all fits."""
        fits = len(self.seats[REST].maps.constant)
        found = np.stack([self._of_seats(views, fit, rows) for fit in range(fits)])
        if self.neighbours is not None:
            found += self.neighbours.logits(views, rows, range(fits))
        return found

    def shifted(self, shift: NDArray[np.float64]) -> "Committee":
        """The same with ``(classes,)`` added to all logits."""
        seats = {}
        for key, seat in self.seats.items():
            seats[key] = replace(seat, maps=seat.maps.plus(shift))
        return replace(self, seats=seats)


def seats_of(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Key of each seat to its modalities.

    Every subset has a seat; of more than three modalities each alone, all but one, and all.

    >>> list(seats_of(["image", "text"])), list(seats_of("abcd"))[3:]
    (['image', 'text', '*'], ['d', 'a+b+c', 'a+b+d', 'a+c+d', 'b+c+d', 'a+b+c+d', '*'])
    """
    chosen = subsets(names)[:-1] if few(names) else _outer(names)
    return {**{subset_key(subset): subset for subset in chosen}, REST: tuple(sorted(names))}


def few(names: Sequence[str]) -> bool:
    """Whether every subset has a seat, so that the rest is the one of all modalities."""
    return len(names) <= _EVERY


def _outer(names: Sequence[str]) -> list[tuple[str, ...]]:
    ordered = tuple(sorted(names))
    but_one = [tuple(n for n in ordered if n != name) for name in reversed(ordered)]
    return [*((name,) for name in ordered), *but_one, ordered]
