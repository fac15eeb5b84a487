"""M02a: proxies of absent parts, against a constant with modality dropout."""

from benchmarks.methods._claim import Claim, Figures
from benchmarks.methods._filled import BED, NOTE, beats_constant, scores
from benchmarks.methods._whole import ALIGNED, GAINS, whole

SLOW = True
CLAIM = Claim(
    id="M02a",
    says="At 70% missing, macro-F1 exceeds M01 with a constant vector.",
    bed=BED,
    checks=(beats_constant("proxy", "proxies"),),
    direction=lambda x: x["proxy"] > x["constant"] - 0.1,
    adds=GAINS,
    note=NOTE,
)


def run(seed: int, short: bool) -> Figures:
    """Macro-F1 of both fusions."""
    return scores(seed, {"proxy": "proxy"}, short=short)


def real(seed: int) -> Figures:
    """The default of a real set with and without it."""
    return whole(seed, {"model": {"fusion": "proxy"}, "losses": {**ALIGNED, "completion": {}}})
