"""What a model answers with: its network, the committee, or both.

The committee is fitted to the visible labels of the training split, and to what the neighbour graph
says of the others. The network takes its place, or a share, only where the records that choose
speak for it by more than chance.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from components.core.progress import Progress, silent
from components.features.halves import halves
from components.features.store import Features
from components.model.inference import infer
from components.model.network import Mix, Model
from components.parts import loading as parts
from components.parts.linear import HEADS, Head, activated
from components.training.committee import Labelled, crossfit, folds_of
from components.training.light import light_views, put_into, ways
from components.training.remember import remember, remember_mix
from components.training.self_training import self_train

_FEW, _FOLDS, _FOLDS_OF_FEW = 400, 3, 5
"""With fewer labelled records there are more folds, so that each fit loses less."""


def fit_committee(
    model: Model, features: Features, seed: int, progress: Progress = silent
) -> dict[str, Any] | None:
    """Fit a committee into a model whose statistics are fitted; its mix is left alone.

    Args:
        model: of all modalities of the features.
        features: the data set; only visible labels of the training split are read.
        seed: of the folds.
        progress: called after each round.

    Returns:
        Figures of the committee; None where there is nothing to fit one to.
    """
    made = ways(model, features) if features.target.activation else {}
    if not made:
        return None
    pool = features.rows("train")
    views = light_views(model, features, made, pool)
    rows = features.rows("train", labelled=True)
    rows = rows[views.anything[rows]]
    labelled = _labelled(features, rows, seed)
    if labelled is None:
        return None
    committee = crossfit(views, labelled, _heads())
    found = self_train(views, labelled, committee, pool[views.anything[pool]], progress=progress)
    put_into(model, made, found.committee)
    held_out = labelled.held_out(found.committee.every(views, rows))
    remember(model, features, labelled, held_out)
    return {
        "folds": labelled.fits - 1,
        "members": [vars(member) for member in committee.members],
        "rounds": [vars(each) for each in found.rounds],
        "loss": labelled.loss(held_out),
    }


def choose_mix(model: Model, features: Features) -> dict[str, Any]:
    """Set what a model with a committee answers with.

    One half of the labelled validation records tunes the network's temperature, the other chooses.
    Without them the committee answers: nothing speaks for the network.

    Returns:
        Figures of the choice.
    """
    half = halves(features)
    candidates = {"committee": Mix(network=0.0, committee=1.0)}
    losses: dict[str, NDArray[np.float64]] = {}
    if len(half.tune) and len(half.choose):
        target, labels = features.target, features.labels
        temperature = target.calibrate(
            _logits(model, features, half.tune, Mix()), labels[half.tune]
        )
        candidates["mix"] = Mix(network=0.5 / temperature, committee=0.5)
        candidates["network"] = Mix(network=1.0 / temperature, committee=0.0)
        losses = {
            name: _losses(_logits(model, features, half.choose, mix), features, half.choose)
            for name, mix in candidates.items()
        }
    chosen = "committee"
    for name in losses:
        gain = losses[chosen] - losses[name]
        if gain.mean() > gain.std() / np.sqrt(len(gain)):
            chosen = name
    model.mix = candidates[chosen]
    remember_mix(model, features)
    return {
        "chosen": chosen,
        "records": len(half.choose) if losses else 0,
        "losses": {name: float(found.mean()) for name, found in losses.items()},
    }


def _heads() -> dict[str, Head]:
    return {
        name: parts.load("heads", name).build(parts.configure("heads", name, {})) for name in HEADS
    }


def _labelled(features: Features, rows: NDArray[np.int64], seed: int) -> Labelled | None:
    """The labelled records in folds; None where they make no two folds."""
    activation = features.target.activation
    if activation is None or not len(rows):
        return None
    targets = _soft(features, rows)
    units = _units(features, rows)
    first = np.unique(units, return_index=True)[1]
    # A record of several classes is spread by the rarest of them.
    rarity = np.where(targets[first] > 0.5, 1.0 / np.maximum(targets.sum(axis=0), 1), 0)
    most = _FOLDS_OF_FEW if len(first) < _FEW else _FOLDS
    folds = folds_of(rarity.argmax(axis=1), most, seed)[units]
    if folds.max() < 1:
        return None
    return Labelled(rows=rows, targets=targets, folds=folds, activation=activation)


def _units(features: Features, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number ``(k,)`` of what records belong to: those of a group, or of equal content, are one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    keys: list[NDArray[Any]] = [
        np.unique([features.groups[r] for r in rows], return_inverse=True)[1]
    ]
    for column in range(len(features.names)):
        _, numbers, counts = np.unique(
            features.contents[rows, column], return_inverse=True, return_counts=True
        )
        # What very many records share, such as a stock phrase, makes no two of them the same.
        telling = features.present[rows, column] & (counts[numbers] <= max(10, len(rows) // 20))
        keys.append(np.where(telling, numbers, np.arange(len(rows)) + len(rows)))
    ends = np.concatenate([np.unique(k, return_inverse=True)[1] for k in keys])
    offsets = np.repeat(np.arange(len(keys)) * 2 * len(rows), len(rows)) + len(rows)
    starts = np.tile(np.arange(len(rows)), len(keys))
    size = len(rows) * (2 * len(keys) + 1)
    edges = coo_array((np.ones(len(starts)), (starts, ends + offsets)), shape=(size, size))
    component = connected_components(edges, directed=False)[1][: len(rows)]
    found: NDArray[np.int64] = np.unique(component, return_inverse=True)[1].astype(np.int64)
    return found


def _soft(features: Features, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    labels = torch.from_numpy(np.asarray(features.labels[rows]))
    found: NDArray[np.float64] = features.target.soft(labels, 0.0).double().numpy()
    return found


def _logits(
    model: Model, features: Features, rows: NDArray[np.int64], mix: Mix
) -> NDArray[np.float32]:
    before, model.mix = model.mix, mix
    try:
        return infer(model, features.arrays, features.present, rows).logits
    finally:
        model.mix = before


def _losses(
    logits: NDArray[np.float32], features: Features, rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Negative log-likelihood ``(k,)`` of each record; 0 where it has no modality."""
    activation = features.target.activation
    assert activation is not None
    known = ~np.isnan(logits).any(axis=1)
    found = activated(np.nan_to_num(logits).astype(np.float64), _soft(features, rows), activation)
    return np.where(known, -found[1], 0.0)
