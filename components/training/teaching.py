"""The teach step: a committee of light heads on the visible labels of the training records."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from components.config.run import ModelConfig, TrainingConfig
from components.core.progress import Say, unheard
from components.features.store import Features
from components.model import storage
from components.model.description import BY_COMMITTEE
from components.model.network import Model
from components.parts import loading as parts
from components.parts.linear import Head
from components.parts.own import OWN
from components.training import taught
from components.training.data import training_data
from components.training.fitted_parts import fit_encoders
from components.training.labelled import Labelled, folds_of
from components.training.light import light_views, put_into, ways
from components.training.members import crossfit
from components.training.taught import Taught
from components.training.views import Views

_FEW, _FOLDS, FOLDS_OF_FEW = 400, 3, 5
"""With fewer labelled records there are more folds, so that each fit loses less."""


def teach(
    *,
    features: Path,
    model: ModelConfig,
    training: TrainingConfig,
    base: Path | None,
    out: Path,
    say: Say = unheard,
) -> None:
    """Fit a committee to the visible labels.

    Writes a model folder whose network is untrained and whose answers are the committee's, and the
    committee with all its fits (see ``components.training.taught``). Where nothing can be fitted
    ``committee.json`` alone is written and says why.

    Args:
        features: output of encode.
        model: shape of the model.
        training: its seed is that of the folds.
        base: folder that a user's own parts are relative to.
        out: an empty folder.
        say: receives a message about heads that were left out.
    """
    data = Features.load(features)
    fresh = untrained(data, model, training, base)
    found = teach_committee(fresh, data, training.seed)
    if isinstance(found, str):
        taught.save(None, out, reason=found)
        return
    if found.committee.left_out:
        say(_left_out(found))
    write(fresh, found, out)


def _left_out(found: Taught) -> str:
    """Which heads are left out for the size of the data, for people."""
    heads: dict[str, list[str]] = {}
    for head, view in found.committee.left_out:
        heads.setdefault(head, []).append(view)
    named = ", ".join(f"{head} on {' and '.join(views)}" for head, views in heads.items())
    records, classes = found.labelled.targets.shape
    return (
        f"the committee does without {named}: {classes:,} classes in {records:,} labelled records "
        "are too much work"
    )


def untrained(
    data: Features,
    config: ModelConfig,
    training: TrainingConfig,
    base: Path | None,
    names: Sequence[str] | None = None,
) -> Model:
    """A model with fresh weights, whose encoders know means and scales of the training records.

    Args:
        data: the data set.
        config: shape of the model.
        training: its seed is that of the weights.
        base: folder that a user's own parts are relative to.
        names: its modalities, all by default.
    """
    names = tuple(data.names if names is None else names)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        model = storage.build(
            config,
            classes=data.classes,
            specs={name: data.specs[name] for name in names},
            target=data.target_kind,
            target_base=data.path / OWN,
            base=base,
        )
        fit_encoders(model, training_data(data, names=names), training.seed)
    return model.eval()


def teach_committee(model: Model, data: Features, seed: int) -> Taught | str:
    """Fit a committee on a model's modalities, or say why there is none.

    Args:
        model: its encoders know means and scales.
        data: the data set; only visible labels of the training split are read.
        seed: of the folds.
    """
    if data.target.activation is None:
        return "nothing is predicted"
    made = ways(model, data)
    if not made:
        return "no view is fixed: every encoder is trained"
    views = light_views(model, data, made, data.rows("train"))
    labelled = _labelled(data, views, seed)
    if labelled is None:
        return "the labelled records that have a fixed view make no two folds"
    committee = crossfit(views, labelled, heads(model))
    nothing = np.zeros(labelled.targets.shape[1])
    return Taught(labelled=labelled, committee=committee, made=made, shift=nothing)


def write(model: Model, found: Taught, out: Path, **figures: object) -> None:
    """Write a model folder that answers with a committee, and the committee beside it."""
    put_into(model, found.made, found.committee, found.shift)
    model.mix = BY_COMMITTEE
    storage.save(model, out)
    taught.save(found, out, **figures)


def heads(model: Model) -> dict[str, Head]:
    """The light heads of a model's committee by name."""
    return {
        head.name: parts.load("heads", head.name).build(
            parts.configure("heads", head.name, head.options)
        )
        for head in model.config.heads
    }


def soft(data: Features, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Targets ``(k, classes)`` of labelled records."""
    labels = torch.from_numpy(np.asarray(data.labels[rows]))
    found: NDArray[np.float64] = data.target.soft(labels, 0.0).double().numpy()
    return found


def _labelled(data: Features, views: Views, seed: int) -> Labelled | None:
    """The labelled records in folds; None where they make no two folds."""
    activation = data.target.activation
    rows = data.rows("train", labelled=True)
    rows = rows[views.anything[rows]]
    if activation is None or not len(rows):
        return None
    folds = in_folds(data, rows, seed)
    if folds.max() < 1:
        return None
    return Labelled(rows=rows, targets=soft(data, rows), folds=folds, activation=activation)


def in_folds(data: Features, rows: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Fold ``(k,)`` of labelled records; those of a group, or of equal content, share one."""
    targets, units = soft(data, rows), _units(data, rows)
    first = np.unique(units, return_index=True)[1]
    # A record of several classes is spread by the rarest of them.
    rarity = np.where(targets[first] > 0.5, 1.0 / np.maximum(targets.sum(axis=0), 1), 0)
    most = FOLDS_OF_FEW if len(first) < _FEW else _FOLDS
    return folds_of(rarity.argmax(axis=1), most, seed)[units]


def _common(data: Features, column: int) -> NDArray[np.int64]:
    """Contents of a modality that a quarter of the training records have."""
    rows = data.rows("train")
    given = data.contents[rows[data.present[rows, column]], column]
    contents, counts = np.unique(given, return_counts=True)
    return contents[counts > max(10, len(rows) // 4)]


def _units(data: Features, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number ``(k,)`` of what records belong to: those of a group, or of equal content, are one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    keys: list[NDArray[Any]] = [np.unique([data.groups[r] for r in rows], return_inverse=True)[1]]
    for column in range(len(data.names)):
        _, numbers, counts = np.unique(
            data.contents[rows, column], return_inverse=True, return_counts=True
        )
        # What very many records share, such as a stock phrase, makes no two of them the same.
        telling = data.present[rows, column] & (counts[numbers] <= max(10, len(rows) // 20))
        # Few labelled records share few contents, however common these are among all records.
        telling &= ~np.isin(data.contents[rows, column], _common(data, column))
        keys.append(np.where(telling, numbers, np.arange(len(rows)) + len(rows)))
    ends = np.concatenate([np.unique(k, return_inverse=True)[1] for k in keys])
    offsets = np.repeat(np.arange(len(keys)) * 2 * len(rows), len(rows)) + len(rows)
    starts = np.tile(np.arange(len(rows)), len(keys))
    size = len(rows) * (2 * len(keys) + 1)
    edges = coo_array((np.ones(len(starts)), (starts, ends + offsets)), shape=(size, size))
    component = connected_components(edges, directed=False)[1][: len(rows)]
    found: NDArray[np.int64] = np.unique(component, return_inverse=True)[1].astype(np.int64)
    return found
