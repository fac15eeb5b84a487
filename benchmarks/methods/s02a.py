"""FlexMatch: a threshold for each class."""

from benchmarks.methods import _imbalanced
from benchmarks.methods._claim import Figures
from benchmarks.methods._whole import GAINS, whole

SLOW = True

CLAIM = _imbalanced.rarest("S02a", "flexmatch", adds=GAINS)


def run(seed: int, *, short: bool) -> Figures:
    """Precision over all and recall of the rarest quarter, on the test split."""
    return _imbalanced.run(seed, ("fixmatch", "flexmatch"), short=short)


def real(seed: int) -> Figures:
    """The default of a real set with and without it."""
    return whole(seed, {"ssl": {"name": "flexmatch"}})
