"""FlexMatch: a threshold for each class."""

from benchmarks.methods import _imbalanced
from benchmarks.methods._claim import Claim, Figures
from benchmarks.methods._whole import GAINS, whole

SLOW = True

CLAIM = Claim(
    id="S02a",
    says="With a 20:1 class imbalance, recall of the rarest quarter of classes rises against "
    "FixMatch at equal overall precision.",
    bed=_imbalanced.BED,
    checks=_imbalanced.rarest("flexmatch"),
    direction=lambda f: f["flexmatch rarest"] >= f["fixmatch rarest"] - 0.1,
    adds=GAINS,
)


def run(seed: int, *, short: bool) -> Figures:
    """Precision over all and recall of the rarest quarter, on the test split."""
    return _imbalanced.run(seed, ("fixmatch", "flexmatch"), short=short)


def real(seed: int) -> Figures:
    """The default of a real set with and without it."""
    return whole(seed, {"ssl": {"name": "flexmatch"}})
