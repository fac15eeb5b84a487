"""Auxiliary heads of single modalities."""

from benchmarks.methods import _probed
from benchmarks.methods._claim import Check, Claim, Figures
from benchmarks.methods._whole import GAINS, whole

ARMS = {"fused": {"losses": _probed.FUSED}, "heads": {"losses": _probed.HEADS}}
SLOW = True

CLAIM = Claim(
    id="B01",
    says="Accuracy of the weaker modality's encoder (linear probe) rises against the fused loss "
    "alone, and fused macro-F1 does not fall.",
    bed=_probed.BED,
    checks=(
        Check(
            what="probe of the weaker modality with heads minus without",
            value=lambda f: f["heads b"] - f["fused b"],
            above=0.0,
        ),
        Check(
            what="fused macro-F1 with heads minus without, not below -0.01",
            value=lambda f: f["heads f1"] - f["fused f1"],
            above=-0.01,
        ),
    ),
    direction=lambda f: f["heads b"] > f["fused b"],
    adds=GAINS,
)


def run(seed: int, *, short: bool) -> Figures:
    """Macro-F1 and probes of both arms."""
    return _probed.run(seed, ARMS, short=short, noise=_probed.UNEVEN)


def real(seed: int) -> Figures:
    """The default of a real set with and without it."""
    return whole(seed, {"losses": {**_probed.HEADS, "info_nce": {"weight": 1.0}}})
