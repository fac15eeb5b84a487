"""Calibrates and weighs the modalities of a fusion that votes, by records that were held out."""

import numpy as np
from numpy.typing import NDArray

from components.features.store import Features
from components.model.inference import infer
from components.model.network import Model
from components.parts.network import Votes
from components.training.selection import losses_of


def weigh_votes(model: Model, features: Features, rows: NDArray[np.int64]) -> None:
    """Set temperature and weight of each modality; nothing where the fusion does not vote.

    The weight is ``exp(-loss)`` with the mean log-loss of its calibrated answers. A modality that
    none of the records has weighs as little as the weakest other one.

    Args:
        model: the network, with answers of its own alone.
        features: the data set.
        rows: labelled records ``(k,)`` that the network did not learn from.
    """
    if not isinstance(model.fusion, Votes) or not features.target.width:
        return
    columns = [features.names.index(name) for name in model.names]
    present = features.present[:, columns]
    said = infer(model, features.arrays, present, rows)
    heat, weight = [1.0] * len(columns), [np.nan] * len(columns)
    for column, name in enumerate(model.names):
        has = present[rows, column]
        if has.any():
            logits, known = said.modality_logits[name][has], rows[has]
            heat[column] = features.target.calibrate(logits, features.labels[known])
            losses = losses_of(logits / heat[column], features, known)
            weight[column] = float(np.exp(-losses.mean()))
    if np.isfinite(weight).any():
        model.fusion.weigh(heat, np.nan_to_num(weight, nan=np.nanmin(weight)).tolist())


def take_votes(model: Model, rehearsed: Model) -> None:
    """Weigh the modalities of a network as those of another one, which left records to judge by."""
    if isinstance(model.fusion, Votes):
        model.fusion.load_state_dict(rehearsed.fusion.state_dict())
