"""SDM against InfoNCE, where a batch holds several records of a class."""

from benchmarks.methods._aligned import BED, CONTRAST, across, gain, on_real, pair
from benchmarks.methods._by_class import CHECKS, HOW, compared
from benchmarks.methods._claim import Check, Claim
from benchmarks.methods._student import fitted

FAILS = "SDM finds as many of the class as InfoNCE does with 800 records, not more"
CLAIM = Claim(
    id="L02a",
    says="Where a batch holds several records of one class, recall@1 by class and macro-F1 of a "
    "probe rise against InfoNCE; with labels that are all distinct it equals InfoNCE.",
    bed=f"{BED}; 1,200 pairs of 4 classes, classes 1.0 apart, batches of 64",
    checks=[
        *CHECKS,
        Check(
            what="R@1 without labels minus InfoNCE's (equal: within 0.02)",
            value=lambda f: f["unlabelled r1"] - f["info_nce unlabelled r1"],
            above=-0.02,
            below=0.02,
        ),
    ],
    direction=lambda f: f["class r1"] > f["info_nce class r1"],
    adds=gain("beside InfoNCE"),
)
LOSS = {"sdm": {}}


def run(seed: int, short: bool) -> dict[str, float]:
    """Figures of the loss and of InfoNCE, with labels and with one label of each class."""
    records = 800 if short else 2000
    found = compared(pair(seed, records, strength=1.0), LOSS, seed)
    for prefix, losses in (("", LOSS), ("info_nce ", CONTRAST)) if not short else ():
        untold = pair(seed, records, strength=1.0, labels=1)
        model = fitted(untold, losses=losses, training=HOW, seed=seed)
        found[f"{prefix}unlabelled r1"] = across(model, untold)
    return found


def real(seed: int) -> dict[str, float]:
    """The default with the loss beside InfoNCE."""
    both = {"losses": {"cross_entropy": {}, "info_nce": {}, **LOSS}}
    return on_real(seed, {"with": both, "without": {}})
