"""What experiments on missing parts share: macro-F1 of fusions on `pair` with absent parts."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from benchmarks.methods._claim import Check, Figures
from benchmarks.methods._student import LABELS, answers, bed, f1, fitted
from components.features.store import Features
from components.model.network import Model

COMPLETION: dict[str, dict[str, Any]] = {"cross_entropy": {}, "completion": {}}
"""Losses of a fusion that fills in."""
BED = (
    "pair with three modalities, 70% of the parts absent, 16 labels of each class, half of the "
    "variance within a class shared"
)
NOTE = "The bed has few labels since a first one, with all of them, gave less."


def beats_constant(name: str, called: str) -> Check:
    """Macro-F1 of an arm is above that of a constant vector in place of what is absent."""
    return Check(
        what=f"macro-F1 of {called} minus a constant",
        value=lambda x: x[name] - x["constant"],
        above=0.0,
    )


def scores(seed: int, arms: Mapping[str, Any], *, short: bool) -> Figures:
    """Macro-F1 of a constant vector and of other fusions, on the same records."""
    data = gaps(seed, 0.7, 0.5, records=600 if short else 2000)
    epochs = 8 if short else 30
    return {
        name: score(student(data, arm, seed, epochs=epochs), data)
        for name, arm in {"constant": "concat", **arms}.items()
    }


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
