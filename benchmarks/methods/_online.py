"""Shared by experiments with the families ``ssl`` and ``balance``."""

from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.methods import _real
from components.features.store import Features
from components.training.data import training_data


def steps(features: Features, *, short: bool, wanted: int = 400) -> dict[str, int]:
    """Epochs that make about this many steps of labelled records."""
    an_epoch = max(1, -(-len(training_data(features).supervised) // 64))
    return {"epochs": max(1, (150 if short else wanted) // an_epoch)}


def truth_of(features: Features, seed: int) -> NDArray[Any]:
    """The class number of every record of glyphs ``(n,)``, also where its label is hidden."""
    table = pq.read_table(_real.RECIPES / f"recipe{seed + 1}" / "records.parquet")
    label = dict(zip(table["id"].to_pylist(), table["label"].to_pylist(), strict=True))
    number = {name: at for at, name in enumerate(features.classes)}
    return np.array([number.get(label[id_], -1) for id_ in features.ids])


def softmax(logits: NDArray[Any]) -> NDArray[Any]:
    raised = np.exp(logits - logits.max(1, keepdims=True))
    return raised / raised.sum(1, keepdims=True)
