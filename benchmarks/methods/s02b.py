"""FreeMatch: thresholds that follow how sure the model is."""

from benchmarks.methods import _imbalanced
from benchmarks.methods._claim import Claim, Figures
from benchmarks.methods._whole import GAINS, whole

SLOW = True

CLAIM = Claim(
    id="S02b",
    says="With a 20:1 class imbalance, recall of the rarest quarter of classes rises against "
    "FixMatch at equal overall precision.",
    bed=_imbalanced.BED,
    checks=_imbalanced.rarest("freematch"),
    direction=lambda f: f["freematch rarest"] >= f["fixmatch rarest"] - 0.1,
    adds=GAINS,
)


def run(seed: int, *, short: bool) -> Figures:
    """Precision over all and recall of the rarest quarter, on the test split."""
    return _imbalanced.run(seed, ("fixmatch", "freematch"), short=short)


def real(seed: int) -> Figures:
    """The default of a real set with and without it."""
    return whole(seed, {"ssl": {"name": "freematch"}})
