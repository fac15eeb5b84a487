"""Rounds in which the committee learns from what the neighbour graph makes of its answers.

In a round the answers of the committee spread along the graph, with the labels held fast; the
records whose answers are then sure enough become soft pseudo-labels, on which new members are
fitted, and the old committee stays a member. New members are made to expect the classes as the
labels do, so that held-out labels can judge them; how common the classes are among all records is
told at the end, see ``components.training.shares``.

Every fit does this without its own fold, so the held-out records stay held out of committee, graph
and pseudo-labels, and decide how far records listen to their neighbours, what members weigh, and
whether a round is kept.

Source: self-training with soft labels, Xie et al. 2020 (arXiv:1911.04252); propagation, see
``components.training.graph``.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from components.core.progress import Progress, silent
from components.model.subsets import REST
from components.parts.graphs import propagated
from components.parts.heads import logistic
from components.parts.linear import Linear, activated
from components.training.at_once import at_once
from components.training.committee import Committee, Maps
from components.training.graph import neighbour_graph
from components.training.labelled import Labelled
from components.training.members import (
    SIDE_BY_SIDE,
    Candidate,
    candidate,
    having,
    seated,
    side_by_side,
)
from components.training.shares import class_shift
from components.training.stacking import calibrated, temper
from components.training.views import Views, modality_of

_SHARES = (0.0, 0.5, 0.8, 0.95)
_SURE = 0.5
"""Answers with less confidence become no pseudo-labels."""
_TRUST = 0.5
"""What a pseudo-label weighs beside a label, at full confidence."""
_STRENGTH = 10.0
_PREVIOUS = "previous"


@dataclass(frozen=True, kw_only=True)
class Round:
    """What a round found.

    Attributes:
        share: how far records listened to their neighbours, 0 for not at all.
        loss: of held-out records before and after it.
        kept: whether it was better than before, by more than chance.
        accepted: number of pseudo-labels.
    """

    share: float
    loss: tuple[float, float]
    kept: bool
    accepted: int


@dataclass(frozen=True, kw_only=True)
class SelfTraining:
    """The outcome of all rounds.

    Attributes:
        committee: the last one that was kept, with ``shift`` in its constant.
        shift: what was added to its logits ``(classes,)`` because classes are shared otherwise
            among all records than among labels. To judge it by labels, take it away again.
        distributions: ``(fits, k, classes)`` of the records in the graph: calibrated, after
            propagation, shifted; the labels of a fit's records are its own.
        rounds: what each round found.
    """

    committee: Committee
    shift: NDArray[np.float64]
    distributions: NDArray[np.float32]
    rounds: tuple[Round, ...]


def self_train(
    views: Views,
    labelled: Labelled,
    committee: Committee,
    pool: NDArray[np.int64],
    *,
    rounds: int = 2,
    progress: Progress = silent,
) -> SelfTraining:
    """Run rounds until the evidence stops rising.

    Args:
        views: of all records.
        labelled: the labelled ones; all of them are in the pool.
        committee: fitted to them.
        pool: ``(k,)`` rows of all training records that have a view.
        rounds: at most this many.
        progress: called after each round.
    """
    graph = neighbour_graph(views, view_shares(committee), pool)
    at = np.searchsorted(pool, labelled.rows)
    found: list[Round] = []
    shift = _shift(views, labelled, committee, pool, at)
    for number in range(rounds):
        before = _held_out(views, labelled, committee)
        share, spread = _spread(graph, committee.every(views, pool), labelled, at, shift)
        again, accepted = _refitted(views, labelled, committee, pool, at, spread)
        after = _held_out(views, labelled, again)
        losses = (labelled.loss(before), labelled.loss(after))
        kept = labelled.better(after, before)
        found.append(Round(share=share, loss=losses, kept=kept, accepted=accepted))
        progress("self-training", number + 1, rounds)
        if not kept:
            break
        committee = again
        shift = _shift(views, labelled, committee, pool, at)
    else:
        _, spread = _spread(graph, committee.every(views, pool), labelled, at, shift)
    return SelfTraining(
        committee=committee.shifted(shift),
        shift=shift,
        distributions=spread,
        rounds=tuple(found),
    )


def _shift(
    views: Views,
    labelled: Labelled,
    committee: Committee,
    pool: NDArray[np.int64],
    at: NDArray[np.int64],
) -> NDArray[np.float64]:
    """How the shares of the classes among all records shift the committee's logits."""
    held = _held_out(views, labelled, committee)
    return class_shift(committee.every(views, np.delete(pool, at)), held, labelled)


def _held_out(views: Views, labelled: Labelled, committee: Committee) -> NDArray[np.float64]:
    return labelled.held_out(committee.every(views, labelled.rows))


def view_shares(committee: Committee) -> dict[str, float]:
    """A view counts in the graph by what its members weigh; none is left out entirely."""
    seat = committee.widest
    views = list(seat.maps.of)
    weight = {view: 0.02 for view in views}
    for member in seat.members:
        if member.view == SIDE_BY_SIDE:
            for view in views:
                weight[view] += member.weight / len(views)
        elif member.view in weight:
            weight[member.view] += member.weight
    total = sum(weight.values())
    return {view: value / total for view, value in weight.items()}


def _spread(
    graph: object,
    answers: NDArray[np.float32],
    labelled: Labelled,
    at: NDArray[np.int64],
    shift: NDArray[np.float64],
) -> tuple[float, NDArray[np.float32]]:
    """The best share of the neighbours, and the distributions ``(fits, k, classes)`` it gives.

    They expect the classes as they are shared among all records; labels judge without the shift.
    """
    start = _probabilities(answers + shift, labelled)
    for fit in range(labelled.fits):
        known = labelled.folds != fit
        start[fit, at[known]] = labelled.targets[known]
    best: tuple[float, float, NDArray[np.float64]] | None = None
    prior = labelled.prior[:, None]
    for share in _SHARES:
        fits, count, classes = start.shape
        flat = start.transpose(1, 0, 2).reshape(count, fits * classes)
        spread = propagated(graph, flat, share).reshape(count, fits, classes).transpose(1, 0, 2)
        logits = _logits(spread, labelled) - shift - prior
        held = labelled.held_out(logits[:, at])
        scale = temper(held, labelled)
        loss = labelled.loss(labelled.prior_of() + held * scale)
        if best is None or loss < best[1]:
            best = share, loss, prior + logits * scale
    assert best is not None
    share, _, logits = best
    calibrated = _probabilities(logits + shift, labelled)
    for fit in range(labelled.fits):
        known = labelled.folds != fit
        calibrated[fit, at[known]] = labelled.targets[known]
    return share, calibrated.astype(np.float32)


def _probabilities(logits: NDArray[np.floating], labelled: Labelled) -> NDArray[np.float64]:
    found = activated(logits, np.zeros_like(logits), labelled.activation)[0]
    return found.astype(np.float64)


def _logits(spread: NDArray[np.float64], labelled: Labelled) -> NDArray[np.float64]:
    p = np.clip(spread, 1e-6, None)
    if labelled.activation == "softmax":
        found: NDArray[np.float64] = np.log(p / p.sum(axis=-1, keepdims=True))
        return found
    p = np.minimum(p, 1 - 1e-6)
    return np.asarray(np.log(p) - np.log1p(-p))


def pseudo_weights(distributions: NDArray[np.floating], labelled: Labelled) -> NDArray[np.float64]:
    """What each pseudo-label ``(k,)`` weighs, from distributions ``(k, classes)``.

    A record with any number of classes counts by how sure its classes are on average.
    """
    found: NDArray[np.float64]
    if labelled.activation == "softmax":
        confidence = distributions.max(axis=1).astype(np.float64)
        found = np.where(confidence > _SURE, _TRUST * confidence, 0.0)
        return found
    sure = np.abs(distributions.astype(np.float64) * 2 - 1).mean(axis=1)
    found = _TRUST * sure
    return found


def _refitted(
    views: Views,
    labelled: Labelled,
    committee: Committee,
    pool: NDArray[np.int64],
    at: NDArray[np.int64],
    distributions: NDArray[np.float32],
) -> tuple[Committee, int]:
    """A committee of new members on the pseudo-labels, and of the old seats as members."""
    weights = np.stack([pseudo_weights(each, labelled) for each in distributions])
    for fit in range(labelled.fits):
        weights[fit, at[labelled.folds != fit]] = 1.0
    found = _fit_all(views, pool, distributions, weights, labelled)
    before = {
        key: Candidate(
            head=_PREVIOUS,
            view=_PREVIOUS,
            maps=(maps := seat.maps.plus(-labelled.prior)),
            answers=maps.held_out(_seen_by(views, key), labelled)[labelled.judging],
        )
        for key, seat in committee.seats.items()
    }
    accepted = int((weights[-1] > 0).sum()) - len(at)
    again = seated(views, labelled, found, before)
    return replace(again, left_out=committee.left_out), accepted


def _seen_by(views: Views, key: str) -> Views:
    return views if key == REST else views.of(key.split("+"))


def _fit_all(
    views: Views,
    pool: NDArray[np.int64],
    distributions: NDArray[np.float32],
    weights: NDArray[np.float64],
    labelled: Labelled,
) -> dict[tuple[str, ...], list[Candidate]]:
    """A candidate for all that members read, each fit on its own pseudo-labels."""
    head = logistic.build(logistic.Config(strengths=(_STRENGTH,), iterations=40))

    def one(task: tuple[tuple[str, ...], int]) -> Linear:
        read, fit = task
        sure = np.flatnonzero(weights[fit] > 0)
        sure = sure[having(views, read, pool[sure])]
        x, targets = side_by_side(views, read, pool[sure]), distributions[fit, sure]
        counts = weights[fit, sure]
        (linear,) = head.path(x, targets, counts[:, None], labelled.activation)
        return _neutral(linear, counts @ targets, labelled)

    # Side by side costs most: the seats of fewer modalities keep what they have of it.
    reads: list[tuple[str, ...]] = [(view,) for view in views.features]
    if len(views.features) > 1:
        reads.append(tuple(views.features))
    fitted = at_once(one, [(read, fit) for read in reads for fit in range(labelled.fits)])
    found = {}
    for number, read in enumerate(reads):
        own = fitted[number * labelled.fits : (number + 1) * labelled.fits]
        linear = Linear(
            weight=np.concatenate([each.weight for each in own]),
            bias=np.concatenate([each.bias for each in own]),
        )
        found[read] = [_candidate(views, labelled, read, linear)]
    return found


def _candidate(
    views: Views, labelled: Labelled, read: tuple[str, ...], linear: Linear
) -> Candidate:
    linear = linear.plus(-labelled.prior)
    maps = Maps.side_by_side(linear, {view: views.features[view].shape[1] for view in read})
    held = maps.held_out(views.of({modality_of(view) for view in read}), labelled)
    has = having(views, read, labelled.rows)
    scale, shift = calibrated(held[has], labelled, has)
    linear, held = linear.times(scale).plus(shift), held * scale + shift
    return candidate(views, labelled, "self-trained", read, linear, held)


def _neutral(linear: Linear, masses: NDArray[np.floating], labelled: Labelled) -> Linear:
    """The map, expecting classes as they are shared among labels, not as among pseudo-labels.

    Source: logit adjustment, Menon et al. 2021 (arXiv:2007.07314).

    Args:
        linear: fitted to pseudo-labels.
        masses: of the classes among them ``(classes,)``.
        labelled: the labels.
    """
    if labelled.activation == "sigmoid" or not masses.any():
        return linear
    wanted = labelled.targets.mean(axis=0)
    ratio = np.maximum(masses / masses.sum(), 1e-6) / np.maximum(wanted, 1e-6)
    return Linear(weight=linear.weight, bias=linear.bias - np.log(ratio).astype(np.float32))
