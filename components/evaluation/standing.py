"""Answers of an earlier model version on the held-out records of today's data."""

from pathlib import Path

from components.evaluation.answers import HeldOut, infer_rows
from components.features.store import Features
from components.model import network as models


def is_compatible(package: Path, features: Features) -> bool:
    """Whether features are encoded as the version's own inputs were, so that it can use them."""
    specs = models.load(package).specs
    return all(
        name in features.specs and features.specs[name].digest() == spec.digest()
        for name, spec in specs.items()
    )


def answers(package: Path, features: Features) -> dict[str, str]:
    """Record id to the class name that the version predicts, for all held-out records.

    A record without any of the version's modalities gets the empty name, which is never right.
    """
    model, held_out = models.load(package), HeldOut.of(features)
    logits = infer_rows(model, features, held_out.rows).logits
    named = model.target.decode(model.target.decide(logits))
    ids = (features.ids[row] for row in held_out.rows.tolist())
    return {record: name or "" for record, name in zip(ids, named, strict=True)}
