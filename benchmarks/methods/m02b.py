"""M02b: a bank of typical records, against a constant and a bank of random vectors."""

from benchmarks.methods._claim import Check, Claim, Figures
from benchmarks.methods._filled import BED, NOTE, beats_constant, scores
from benchmarks.methods._whole import ALIGNED, GAINS, whole

RANDOM = {"name": "bank", "start": "random", "learned": False}
SLOW = True
CLAIM = Claim(
    id="M02b",
    says="At 70% missing, macro-F1 exceeds M01 with a constant vector; a bank of random vectors "
    "gives no gain.",
    bed=BED,
    checks=(
        beats_constant("bank", "the bank"),
        Check(
            what="macro-F1 of a bank of random vectors minus a constant",
            value=lambda x: x["random"] - x["constant"],
            below=0.01,
        ),
    ),
    direction=lambda x: x["bank"] > x["constant"] - 0.1,
    adds=GAINS,
    note=NOTE,
)


def run(seed: int, short: bool) -> Figures:
    """Macro-F1 of the three."""
    return scores(seed, {"bank": "bank", "random": RANDOM}, short=short)


def real(seed: int) -> Figures:
    """The default of a real set with and without it."""
    return whole(seed, {"model": {"fusion": "bank"}, "losses": {**ALIGNED, "completion": {}}})
