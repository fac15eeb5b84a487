"""Importance follows how much each modality tells, and a shortcut is flagged."""

from benchmarks.methods._claim import Check, Claim
from benchmarks.methods._student import bed, fitted
from components.evaluation.reliance import Reliance, of_features

CLAIM = Claim(
    id="E03",
    says="On data built with 80/20 information split the ranking of D matches the split; a "
    "text-only shortcut set is flagged.",
    bed="`pair` with noise 1 and 2 (four times the information in the first); `xor`, variant "
    "unique (the second modality tells nothing)",
    checks=[
        Check(
            what="D of the 80% minus D of the 20%",
            value=lambda f: f["d_80"] - f["d_20"],
            above=0.0,
        ),
        Check(what="shortcut set flagged", value=lambda f: f["flagged"], above=0.5),
        Check(what="80/20 set flagged", value=lambda f: f["flagged_80_20"], below=0.5),
    ],
    direction=lambda f: f["d_80"] > f["d_20"] and f["flagged"] == 1 and f["flagged_80_20"] == 0,
    note="a report: it adds nothing to a model",
)
SLOW = True


def run(seed: int, *, short: bool) -> dict[str, float]:
    """Importances and flags, by the product's own report."""
    records = 600 if short else 2000
    split = _reliance("pair", seed, records=records, noise=(1.0, 2.0))
    one = _reliance("xor", seed, records=records, variant="unique")
    a, b = split.modalities["a"], split.modalities["b"]
    return {
        "d_80": a.importance,
        "d_20": b.importance,
        "follows_80": a.follows,
        "follows_20": b.follows,
        "alone_80": a.alone,
        "alone_20": b.alone,
        "flagged_80_20": float(a.shortcut or b.shortcut),
        "flagged": float(one.modalities["a"].shortcut and not one.modalities["b"].shortcut),
    }


def _reliance(name: str, seed: int, **knobs: object) -> Reliance:
    features = bed(name, seed, **knobs)
    network = fitted(features, training={"epochs": 15}, seed=seed)
    return of_features(network, features, features.rows("test", labelled=True), seed)
