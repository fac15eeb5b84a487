"""Networks that are fitted again without the labels that judge them."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from components.features.modality import rebuilt
from components.features.store import Features
from components.training.labelled import Labelled
from components.training.teaching import in_folds


def hidden_rows(features: Features, labelled: Labelled | None, seed: int) -> NDArray[np.int64]:
    """The labelled records of the first fold ``(k,)``, which no rehearsal learns from.

    Args:
        features: the data set.
        labelled: the committee's records in their folds; None without one.
        seed: of the folds where there is no committee.
    """
    if labelled is not None:
        judging: NDArray[np.int64] = labelled.rows[labelled.folds == 0]
        return judging
    rows = features.rows("train", labelled=True)
    rows = rows[features.present[rows].any(axis=1)]
    if not features.target.width or not len(rows):
        return rows[:0]
    folds = in_folds(features, rows, seed)
    return rows[folds == 0] if folds.max() else rows[:0]


def without_labels(features: Features, rows: NDArray[np.int64]) -> Features:
    """The same records, without the labels of some."""
    labels = features.labels.copy()
    labels[rows] = features.target.unlabelled(len(rows))
    return replace(features, labels=labels)


def learned_views(features: Features) -> list[str]:
    """Views that are trained with the network, of modalities of which it reads others too.

    Light heads cannot use their encoders.
    """
    found = []
    with torch.random.fork_rng(devices=[]):
        for name, spec in features.specs.items():
            encoders, views = rebuilt(name, spec).encoders, spec.dense(name)
            learned = [v for v in views if not encoders[v].network().light_dim]
            found += learned if len(learned) < len(views) else []
    return found
