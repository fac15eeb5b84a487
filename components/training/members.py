"""How the committee is fitted: its members, and the seats they take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from components.model.subsets import REST
from components.parts.linear import Head, Linear
from components.training.at_once import at_once
from components.training.committee import Committee, Maps, Member, Seat, few, seats_of
from components.training.labelled import Labelled
from components.training.stacking import calibrated, weighed
from components.training.views import Views, modality_of

SIDE_BY_SIDE = "all"
"""The name of members that read all views of a seat."""
_AT_ONCE = 40_000_000
"""Most answers, records times classes, of members in the making; each takes some 50 bytes."""
_PATIENCE = 2
"""Strengths in a row without a better loss before a path is left."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What may become a member; of a record that it cannot read it says nothing.

    Attributes:
        head: what it is.
        view: what it reads.
        maps: its map to what it says beyond the prior, see ``Labelled.prior``.
        answers: that, held out, of the labelled records that judge ``(judges, classes)``.
    """

    head: str
    view: str
    maps: Maps
    answers: NDArray[np.float64]


def crossfit(views: Views, labelled: Labelled, heads: Mapping[str, Head]) -> Committee:
    """Fit a committee.

    Args:
        views: of all records.
        labelled: those to learn from; each has a view.
        heads: name to head.
    """
    tasks, left_out = _tasks(views, labelled, heads)

    def one(task: tuple[tuple[str, ...], str]) -> Candidate:
        read, name = task
        return _fitted(views, labelled, read, name, heads[name])

    fitted = at_once(one, tasks, max(1, _AT_ONCE // labelled.targets.size))
    found: dict[tuple[str, ...], list[Candidate]] = {}
    for (read, _), candidate in zip(tasks, fitted, strict=True):
        found.setdefault(read, []).append(candidate)
    return replace(seated(views, labelled, found), left_out=left_out)


def _tasks(
    views: Views, labelled: Labelled, heads: Mapping[str, Head]
) -> tuple[list[tuple[tuple[str, ...], str]], tuple[tuple[str, str], ...]]:
    """Views and heads that can be fitted and judged, and those that would be too much work."""
    tasks: dict[tuple[tuple[str, ...], str], bool] = {}
    for read in _readings(views):
        at = having(views, read, labelled.rows)
        if len(np.unique(labelled.folds[at])) < labelled.fits - 1:
            continue  # a fit without a fold that none of these records is in would see them all
        dim = min(len(at), sum(views.features[view].shape[1] for view in read))
        size = (len(at), dim, labelled.fits, labelled.targets.shape[1])
        tasks |= {(read, name): head.affordable(*size) for name, head in heads.items()}
    left_out = {(name, "+".join(read)): can for (read, name), can in tasks.items() if not can}
    return [task for task, can in tasks.items() if can], tuple(left_out)


def _readings(views: Views) -> list[tuple[str, ...]]:
    """Which views members read: each alone, and all views of the modalities of a seat."""
    every: list[tuple[str, ...]] = [(view,) for view in views.features]
    every += [views_of(views, names) for names in seats_of(views.modalities).values()]
    return list(dict.fromkeys(every))


def views_of(views: Views, names: Sequence[str]) -> tuple[str, ...]:
    """The views of some modalities."""
    return tuple(view for view in views.features if modality_of(view) in names)


def seated(
    views: Views,
    labelled: Labelled,
    found: Mapping[tuple[str, ...], Sequence[Candidate]],
    before: Mapping[str, Candidate] | None = None,
) -> Committee:
    """A committee of candidates.

    Args:
        views: of all records.
        labelled: the labelled ones.
        found: which views are read to the candidates that read them.
        before: key of a seat to a further candidate for it alone.
    """

    def one(task: tuple[str, tuple[str, ...]]) -> Seat | None:
        key, names = task
        own = views_of(views, names)
        candidates = [c for view in own for c in found.get((view,), [])]
        # What is left of very many subsets has most often not all views to read side by side.
        if len(own) > 1 and (key != REST or few(names) or not candidates):
            candidates += found.get(own, [])
        candidates += [before[key]] if before and key in before else []
        return _seat(views.of(names), labelled, candidates)

    tasks = list(seats_of(views.modalities).items())
    seats = zip(tasks, at_once(one, tasks), strict=True)
    return Committee(seats={key: seat for (key, _), seat in seats if seat is not None})


def _seat(views: Views, labelled: Labelled, candidates: Sequence[Candidate]) -> Seat | None:
    """The weighted candidates; None without any."""
    if not candidates:
        return None
    judges = np.flatnonzero(labelled.judging)
    own = views.anything[labelled.rows[judges]]
    at, answers = judges[own], np.stack([each.answers[own] for each in candidates])
    weights = weighed(answers, labelled, at)
    members = tuple(
        Member(
            head=each.head,
            view=each.view,
            loss=labelled.loss(labelled.prior_of(at) + told, at),
            weight=round(float(w), 4),
        )
        for each, told, w in zip(candidates, answers, weights[:, -1], strict=True)
    )
    maps = Maps.weighted([each.maps for each in candidates], weights).plus(labelled.prior)
    return Seat(maps=maps, members=members)


def side_by_side(views: Views, read: Sequence[str], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Some views of records in one row ``(n, dims)``."""
    return np.hstack([views.features[view][rows] for view in read])


def candidate(
    views: Views,
    labelled: Labelled,
    head: str,
    read: Sequence[str],
    linear: Linear,
    held: NDArray[np.float64],
) -> Candidate:
    """A fitted map of some views, with what it says of all labelled records, held out.

    Both are beyond the prior; ``held`` is ``(k, classes)``.
    """
    judges = np.flatnonzero(labelled.judging)
    has = np.isin(judges, having(views, read, labelled.rows))
    return Candidate(
        head=head,
        view=read[0] if len(read) == 1 else SIDE_BY_SIDE,
        maps=Maps.side_by_side(linear, {view: views.features[view].shape[1] for view in read}),
        answers=held[judges] * has[:, None],
    )


def having(views: Views, read: Sequence[str], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which records ``(m,)`` have one of some views."""
    found: NDArray[np.int64] = np.flatnonzero(
        np.any([views.present[view][rows] for view in read], axis=0)
    )
    return found


def _fitted(
    views: Views, labelled: Labelled, read: tuple[str, ...], name: str, head: Head
) -> Candidate:
    at = having(views, read, labelled.rows)
    held = np.zeros(labelled.targets.shape)
    held[at], linear = _best(head, side_by_side(views, read, labelled.rows[at]), labelled, at)
    return candidate(views, labelled, name, read, linear, held)


def _best(
    head: Head, x: NDArray[np.float32], labelled: Labelled, at: NDArray[np.int64]
) -> tuple[NDArray[np.float64], Linear]:
    """The point of a head's path with the least loss on held-out records, beyond the prior."""
    basis = span(x)
    reduced = x if basis is None else x @ basis
    weights, folds = labelled.weights()[at], labelled.folds[at]
    targets = labelled.targets if len(at) == len(labelled.rows) else labelled.targets[at]
    best: tuple[NDArray[np.float64], Linear, float] | None = None
    prior, worse = labelled.prior_of(at), 0
    for full in head.path(reduced, targets, weights, labelled.activation):
        linear = full.plus(-labelled.prior)
        held = np.empty((len(at), labelled.targets.shape[1]))
        for fit in range(labelled.fits - 1):
            held[folds == fit] = linear.logits(reduced, fit)[folds == fit]
        scale, shift = calibrated(held, labelled, at)
        held = held * scale + shift
        loss = labelled.loss(prior + held, at)
        if best is None or loss < best[2]:
            best, worse = (held, linear.times(scale).plus(shift), loss), 0
        elif (worse := worse + 1) == _PATIENCE:
            break
    assert best is not None
    held, linear, _ = best
    return held, linear if basis is None else linear.within(basis)


def span(x: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Orthonormal columns that span the rows ``(n, dim)``, if they are fewer than the columns.

    A penalised linear fit lies in the span of its records, so nothing is lost.
    """
    if len(x) >= x.shape[1]:
        return None
    found: NDArray[np.float32] = np.linalg.qr(x.T)[0]
    return found
