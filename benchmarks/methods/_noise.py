"""What both gates are tried on: records in which one modality is noise."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from benchmarks.methods._student import answers, bed, f1, fitted
from components.features.store import Features

SHARE = 0.3
VIEW = "b/numbers"


def falls(
    fusions: Mapping[str, Any], losses: Mapping[str, Mapping[str, Any]], seed: int, short: bool
) -> dict[str, float]:
    """Macro-F1 of each fusion with and without noise; of gates how well they tell it.

    Args:
        fusions: name of the arm to the fusion.
        losses: of all arms.
        seed: of the bed and the noise.
        short: fewer records and epochs.
    """
    clean = bed("pair", seed, records=600 if short else 2000, noise=0.3, strength=1.0)
    noisy, spoiled = _spoiled(clean, seed)
    rows = clean.rows("test", labelled=True)
    found = {}
    for name, fusion in fusions.items():
        for kind, data in (("clean", clean), ("noisy", noisy)):
            model = fitted(
                data,
                losses=losses,
                model={"fusion": fusion},
                training={"modality_dropout": 0.2, "epochs": 10 if short else 40},
                seed=seed,
            )
            found[f"{name}, {kind}"] = f1(data, rows, answers(model, data, rows).logits)
        inputs = {v: torch.from_numpy(np.asarray(noisy.arrays[v][rows])) for v in model.columns}
        with torch.inference_mode():
            told = model(inputs, torch.from_numpy(noisy.present[rows])).extras
        if "weights" in told:
            weight = told["weights"][:, noisy.names.index("b")].numpy()
            found[f"{name}, auroc"] = float(roc_auc_score(spoiled[rows], -weight))
    return found


def _spoiled(features: Features, seed: int) -> tuple[Features, np.ndarray[Any, Any]]:
    """The records where b is noise of its own mean and deviation in a share of them, and which."""
    rng = np.random.default_rng([seed, 7])
    own = np.array(features.arrays[VIEW])
    spoiled = rng.random(len(own)) < SHARE
    drawn = own.mean(axis=0) + own.std(axis=0) * rng.normal(size=own.shape)
    own[spoiled] = drawn[spoiled]
    return replace(features, arrays={**features.arrays, VIEW: own.astype(np.float32)}), spoiled
