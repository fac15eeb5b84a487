"""Supervised contrast against InfoNCE, where a batch holds several records of a class."""

from benchmarks.methods._aligned import BED, gain, on_real, pair
from benchmarks.methods._by_class import CHECKS, compared
from benchmarks.methods._claim import Claim

CLAIM = Claim(
    id="L02b",
    says="Where a batch holds several records of one class, recall@1 by class and macro-F1 of a "
    "probe rise against InfoNCE.",
    bed=f"{BED}; 1,200 pairs of 4 classes, classes 1.0 apart, batches of 64",
    checks=CHECKS,
    direction=lambda f: f["class r1"] > f["info_nce class r1"],
    adds=gain("beside InfoNCE"),
)
LOSS = {"supervised_contrast": {}}


def run(seed: int, short: bool) -> dict[str, float]:
    """Figures of the loss and of InfoNCE, with labels and with one label of each class."""
    return compared(pair(seed, 800 if short else 2000, strength=1.0), LOSS, seed)


def real(seed: int) -> dict[str, float]:
    """The default with the loss beside InfoNCE."""
    both = {"losses": {"cross_entropy": {}, "info_nce": {}, **LOSS}}
    return on_real(seed, {"with": both, "without": {}})
