"""F02b: pairs that count as far as they agree, where one modality is noise in some records."""

from benchmarks.methods._claim import Check, Claim, Figures
from benchmarks.methods._noise import falls
from benchmarks.methods._whole import GAINS, whole

LOSSES = {"cross_entropy": {}, "info_nce": {"weight": 1.0}}
SLOW = True
CLAIM = Claim(
    id="F02b",
    says="With one modality replaced by noise in 30% of records, macro-F1 falls less than F01's "
    "and the gate of the noisy modality falls on those records (AUROC above 0.8).",
    bed="pair of little noise (0.3, strength 1), aligned by InfoNCE; in 30% of all records b is "
    "noise of its mean and deviation",
    checks=(
        Check(
            what="fall of macro-F1, similarity minus concat",
            value=lambda x: (
                (x["similarity, clean"] - x["similarity, noisy"])
                - (x["concat, clean"] - x["concat, noisy"])
            ),
            below=0.0,
        ),
        Check(
            what="AUROC of a low weight for noise",
            value=lambda x: x["similarity, auroc"],
            above=0.8,
        ),
    ),
    direction=lambda x: x["similarity, auroc"] > 0.5,
    adds=GAINS,
    note="No real set marks records in which a modality is noise",
)


def run(seed: int, short: bool) -> dict[str, float]:
    """Macro-F1 of both fusions, with and without noise."""
    return falls({"concat": "concat", "similarity": "similarity"}, LOSSES, seed, short)


def real(seed: int) -> Figures:
    """The default of a real set with and without it."""
    return whole(seed, {"model": {"fusion": "similarity"}})
