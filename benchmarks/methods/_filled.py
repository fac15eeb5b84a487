"""What experiments on missing parts share: macro-F1 of fusions on `pair` with absent parts."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from benchmarks.methods._student import LABELS, answers, bed, f1, fitted
from components.features.store import Features
from components.model.network import Model

COMPLETION: dict[str, dict[str, Any]] = {"cross_entropy": {}, "completion": {}}
"""Losses of a fusion that fills in."""


def gaps(seed: int, missing: float, shared: float, records: int = 2000) -> Features:
    """`pair` of three modalities, each absent by chance; 16 labels of each class are visible."""
    return bed(
        "pair", seed, labels=16, records=records, modalities=3, missing=missing, shared=shared
    )


def student(features: Features, fusion: Any, seed: int, **training: Any) -> Model:  # noqa: ANN401
    """A network with a fusion, and the loss that it needs."""
    name = fusion if isinstance(fusion, str) else fusion["name"]
    losses: Mapping[str, Mapping[str, Any]] = LABELS if name == "concat" else COMPLETION
    how = {"modality_dropout": 0.2, **training}
    # Both see the same batches: those of all training records.
    return fitted(
        features,
        losses=losses,
        model={"fusion": fusion},
        training=how,
        unlabelled=True,
        seed=seed,
    )


def score(model: Model, features: Features) -> float:
    """Macro-F1 on the test records, with what they have."""
    rows = features.rows("test", labelled=True)
    return f1(features, rows, answers(model, features, rows).logits)


def extras(model: Model, features: Features) -> dict[str, np.ndarray[Any, Any]]:
    """What the fusion tells of the test records beside its vector."""
    rows = features.rows("test", labelled=True)
    inputs = {v: torch.from_numpy(np.asarray(features.arrays[v][rows])) for v in model.columns}
    with torch.inference_mode():
        found = model(inputs, torch.from_numpy(features.present[rows]))
    return {name: x.numpy() for name, x in found.extras.items()}
