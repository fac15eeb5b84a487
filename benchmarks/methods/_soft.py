"""Soft targets against InfoNCE where every batch holds near-duplicates: what L03 has in common."""

from benchmarks.methods._aligned import (
    BED,
    CONTRAST,
    across,
    near_duplicates,
    pair,
    teacher_of_nothing,
    within,
)
from benchmarks.methods._claim import Check
from benchmarks.methods._student import fitted

NEAR = f"{BED}; 1,200 pairs in families of four near-duplicates, batches of 256"
SAYS = (
    "With near-duplicates in every batch, recall@5 and same-modality recall@1 rise against "
    "InfoNCE; with a teacher that tells nothing they fall."
)
CHECKS = [
    Check(
        what="R@5 minus InfoNCE's",
        value=lambda f: f["r5"] - f["info_nce r5"],
        above=0.0,
    ),
    Check(
        what="same-modality R@1 of the family minus InfoNCE's",
        value=lambda f: f["within"] - f["info_nce within"],
        above=0.0,
    ),
    Check(
        what="R@5 with a teacher of nothing minus InfoNCE's",
        value=lambda f: f["nothing r5"] - f["info_nce r5"],
        below=0.0,
    ),
]


def compared(seed: int, losses: dict[str, dict[str, float]], *, short: bool) -> dict[str, float]:
    """Recall at 5 and within a modality: InfoNCE, soft targets, and those of a shuffled teacher."""
    records = 600 if short else 2000
    features, families = near_duplicates(pair(seed, records), seed)
    how = {"epochs": 5 if short else 40, "batch_size": 256}

    def measured(prefix: str, chosen: dict[str, dict[str, float]]) -> dict[str, float]:
        model = fitted(features, losses=chosen, training=how, seed=seed)
        return {
            f"{prefix}r5": across(model, features, 5),
            f"{prefix}within": within(model, features, families),
        }

    found = measured("info_nce ", CONTRAST) | measured("", losses)
    with teacher_of_nothing():
        return found | measured("nothing ", losses)
