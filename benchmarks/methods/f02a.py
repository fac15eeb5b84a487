"""F02a: gates over modalities, where one of them is noise in some records."""

from benchmarks.methods._claim import Check, Claim, Figures
from benchmarks.methods._noise import falls
from benchmarks.methods._student import LABELS
from benchmarks.methods._whole import GAINS, whole

SLOW = True
CLAIM = Claim(
    id="F02a",
    says="With one modality replaced by noise in 30% of records, macro-F1 falls less than F01's "
    "and the gate of the noisy modality falls on those records (AUROC above 0.8).",
    bed="pair of little noise (0.3, strength 1); in 30% of all records b is noise of its mean and "
    "deviation",
    checks=(
        Check(
            what="fall of macro-F1, gated minus concat",
            value=lambda x: (
                (x["gated, clean"] - x["gated, noisy"]) - (x["concat, clean"] - x["concat, noisy"])
            ),
            below=0.0,
        ),
        Check(what="AUROC of a low gate for noise", value=lambda x: x["gated, auroc"], above=0.8),
    ),
    direction=lambda x: x["gated, clean"] > x["gated, noisy"],
    adds=GAINS,
    note="No real set marks records in which a modality is noise. Looked into: at the noise of"
    " the bed's default (1.0) the best test by b's own law tells noise with an AUROC of only .81",
)


def run(seed: int, short: bool) -> dict[str, float]:
    """Macro-F1 of both fusions, with and without noise."""
    return falls({"concat": "concat", "gated": "gated"}, LABELS, seed, short)


def real(seed: int) -> Figures:
    """The default of a real set with and without it."""
    return whole(seed, {"model": {"fusion": "gated"}})
