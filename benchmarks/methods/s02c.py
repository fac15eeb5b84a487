"""SoftMatch: a weight for every unlabelled record."""

from benchmarks.methods import _imbalanced
from benchmarks.methods._claim import Check, Claim, Figures
from benchmarks.methods._whole import GAINS, whole

SLOW = True

CLAIM = Claim(
    id="S02c",
    says="With a 20:1 class imbalance it keeps more records than FixMatch without lower final "
    "macro-F1.",
    bed=_imbalanced.BED,
    checks=(
        Check(
            what="mean weight of unlabelled records in the last epoch minus FixMatch's",
            value=lambda f: f["softmatch kept"] - f["fixmatch kept"],
            above=0.0,
        ),
        Check(
            what="macro-F1 minus FixMatch's, not below -0.01",
            value=lambda f: f["softmatch f1"] - f["fixmatch f1"],
            above=-0.01,
        ),
    ),
    direction=lambda f: f["softmatch kept"] > f["fixmatch kept"],
    adds=GAINS,
)


def run(seed: int, *, short: bool) -> Figures:
    """What is kept and macro-F1, on the test split."""
    return _imbalanced.run(seed, ("fixmatch", "softmatch"), short=short)


def real(seed: int) -> Figures:
    """The default of a real set with and without it."""
    return whole(seed, {"ssl": {"name": "softmatch"}})
