"""CWCL against InfoNCE, where every batch holds near-duplicates."""

from benchmarks.methods._aligned import (
    BED,
    CONTRAST,
    ON,
    across,
    near_duplicates,
    on_real,
    pair,
    teacher_of_nothing,
    within,
)
from benchmarks.methods._claim import Check, Claim
from benchmarks.methods._student import fitted

SLOW = True
CLAIM = Claim(
    id="L03a",
    says="With near-duplicates in every batch, recall@5 and same-modality recall@1 rise against "
    "InfoNCE; with a teacher that tells nothing they fall.",
    bed=f"{BED}; 1,200 pairs in families of four near-duplicates, batches of 256",
    checks=[
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
    ],
    direction=lambda f: f["within"] > f["info_nce within"] - 0.1,
    adds=lambda f: f["with"] - f["without"],
    on=f"{ON}; in place of InfoNCE",
    note="Looked into: the formula is the paper's, by an oracle. Frozen vectors are centred here, "
    "so that two records that have nothing in common still weigh half a match, and in a batch of "
    "256 the own pair is a 128th of what is asked for.",
)
LOSSES: dict[str, dict[str, float]] = {"soft_contrast": {}}


def run(seed: int, short: bool) -> dict[str, float]:
    """Recall at 5 and within a modality: InfoNCE, soft targets, and those of a shuffled teacher."""
    records = 600 if short else 2000
    features, families = near_duplicates(pair(seed, records), seed)
    how = {"epochs": 5 if short else 40, "batch_size": 256}

    def measured(prefix: str, losses: dict[str, dict[str, float]]) -> dict[str, float]:
        model = fitted(features, losses=losses, training=how, seed=seed)
        return {
            f"{prefix}r5": across(model, features, 5),
            f"{prefix}within": within(model, features, families),
        }

    found = measured("info_nce ", CONTRAST) | measured("", LOSSES)
    with teacher_of_nothing():
        return found | measured("nothing ", LOSSES)


def real(seed: int) -> dict[str, float]:
    """The default with it, in place of InfoNCE."""
    return on_real(seed, {"with": {"losses": {"cross_entropy": {}, **LOSSES}}, "without": {}})
