"""Feature drop: the modality that is ahead is hidden from the fusion more often."""

from benchmarks.methods import _probed
from benchmarks.methods._claim import Figures
from benchmarks.methods._whole import whole

NAME = "feature_drop"
SLOW = True

CLAIM = _probed.claim(
    "B02",
    NAME,
)


def run(seed: int, *, short: bool) -> Figures:
    """Macro-F1 and probes with and without it, of unequal and of equal modalities."""
    return _probed.both(seed, NAME, short=short)


def real(seed: int) -> Figures:
    """The default of a real set with and without it."""
    return whole(seed, {"balance": {"name": NAME}})
