"""CUSA against InfoNCE, where every batch holds near-duplicates."""

from benchmarks.methods._aligned import gain, on_real
from benchmarks.methods._claim import Claim
from benchmarks.methods._soft import CHECKS, NEAR, SAYS, compared

SLOW = True
CLAIM = Claim(
    id="L03b",
    says=SAYS,
    bed=NEAR,
    checks=CHECKS,
    direction=lambda f: f["within"] > f["info_nce within"] - 0.1,
    adds=gain("beside InfoNCE"),
)
LOSSES: dict[str, dict[str, float]] = {"info_nce": {}, "unimodal_targets": {}}


def run(seed: int, short: bool) -> dict[str, float]:
    """The loss, InfoNCE, and the loss with a shuffled teacher."""
    return compared(seed, LOSSES, short=short)


def real(seed: int) -> dict[str, float]:
    """The default with it, beside InfoNCE."""
    return on_real(seed, {"with": {"losses": {"cross_entropy": {}, **LOSSES}}, "without": {}})
