"""What an earlier model version answers on the held-out records of today's data."""

from pathlib import Path

import numpy as np

from components.evaluation.answers import HeldOut, infer_rows
from components.features.store import Features
from components.model import network as models


def is_compatible(package: Path, features: Features) -> bool:
    """Whether these features are made as the version's own inputs were, so that it can answer from them."""
    specs = models.load(package).specs
    return all(
        name in features.specs and features.specs[name].digest() == spec.digest()
        for name, spec in specs.items()
    )


def answers(package: Path, features: Features) -> dict[str, str]:
    """Record id to the class name that the version answers, for all held-out records.

    A record that has none of the version's modalities is answered with the empty name, which is never right.
    """
    model, held_out = models.load(package), HeldOut.of(features)
    logits = infer_rows(model, features, held_out.rows).logits
    named = np.where(
        np.isnan(logits).any(axis=1),
        "",
        np.array(model.classes)[np.nan_to_num(logits).argmax(axis=1)],
    )
    return {
        features.ids[row]: name
        for row, name in zip(held_out.rows.tolist(), named.tolist(), strict=True)
    }
