"""SDM against InfoNCE, where a batch holds several records of a class."""

from benchmarks.methods._aligned import (
    BED,
    CONTRAST,
    ON,
    across,
    by_class,
    on_real,
    pair,
    probe_f1,
)
from benchmarks.methods._claim import Check, Claim
from benchmarks.methods._student import fitted

SLOW = True
CLAIM = Claim(
    id="L02a",
    says="Where a batch holds several records of one class, recall@1 by class and macro-F1 of a "
    "probe rise against InfoNCE; with labels that are all distinct it equals InfoNCE.",
    bed=f"{BED}; 1,200 pairs of 4 classes, classes 1.0 apart, batches of 64",
    checks=[
        Check(
            what="R@1 by class minus InfoNCE's",
            value=lambda f: f["class r1"] - f["info_nce class r1"],
            above=0.0,
        ),
        Check(
            what="macro-F1 of a probe minus InfoNCE's",
            value=lambda f: f["probe f1"] - f["info_nce probe f1"],
            above=0.0,
        ),
        Check(
            what="R@1 without labels minus InfoNCE's (equal: within 0.02)",
            value=lambda f: f["unlabelled r1"] - f["info_nce unlabelled r1"],
            above=-0.02,
            below=0.02,
        ),
    ],
    direction=lambda f: f["class r1"] > f["info_nce class r1"] - 0.05,
    adds=lambda f: f["with"] - f["without"],
    on=f"{ON}; beside InfoNCE",
)
LOSS = {"sdm": {}}


def run(seed: int, short: bool) -> dict[str, float]:
    """Figures of the loss and of InfoNCE, with labels and with one label of each class."""
    records, how = (800, {"epochs": 15}) if short else (2000, {"epochs": 15})
    told = pair(seed, records, strength=1.0)
    found = {}
    for prefix, losses in (("", LOSS), ("info_nce ", CONTRAST)):
        model = fitted(told, losses=losses, training=how, seed=seed)
        found[f"{prefix}class r1"] = by_class(model, told)
        found[f"{prefix}probe f1"] = probe_f1(model, told)
        if not short:
            untold = pair(seed, records, strength=1.0, labels=1)
            model = fitted(untold, losses=losses, training=how, seed=seed)
            found[f"{prefix}unlabelled r1"] = across(model, untold)
    return found


def real(seed: int) -> dict[str, float]:
    """The default with the loss beside InfoNCE."""
    both = {"losses": {"cross_entropy": {}, "info_nce": {}, **LOSS}}
    return on_real(seed, {"with": both, "without": {}})
