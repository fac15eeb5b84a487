"""CWCL against InfoNCE, where every batch holds near-duplicates."""

from benchmarks.methods._aligned import gain, on_real
from benchmarks.methods._claim import Claim
from benchmarks.methods._soft import CHECKS, NEAR, SAYS, compared

SLOW = True
CLAIM = Claim(
    id="L03a",
    says=SAYS,
    bed=NEAR,
    checks=CHECKS,
    direction=lambda f: f["within"] > f["info_nce within"] - 0.1,
    adds=gain("in place of InfoNCE"),
    note="Looked into: the formula is the paper's, by an oracle. Frozen vectors are centred here, "
    "so that two records that have nothing in common still weigh half a match, and in a batch of "
    "256 the own pair is a 128th of what is asked for.",
)
LOSSES: dict[str, dict[str, float]] = {"soft_contrast": {}}


def run(seed: int, short: bool) -> dict[str, float]:
    """The loss, InfoNCE, and the loss with a shuffled teacher."""
    return compared(seed, LOSSES, short=short)


def real(seed: int) -> dict[str, float]:
    """The default with it, in place of InfoNCE."""
    return on_real(seed, {"with": {"losses": {"cross_entropy": {}, **LOSSES}}, "without": {}})
