"""Gradient modulation: the modality that is ahead takes smaller steps."""

from benchmarks.methods import _probed
from benchmarks.methods._claim import Figures
from benchmarks.methods._whole import whole

NAME = "gradient_modulation"
SLOW = True

CLAIM = _probed.claim(
    "B02a",
    NAME,
)


def run(seed: int, *, short: bool) -> Figures:
    """Macro-F1 and probes with and without it, of unequal and of equal modalities."""
    return _probed.both(seed, NAME, short=short)


def real(seed: int) -> Figures:
    """The default of a real set with and without it."""
    return whole(seed, {"balance": {"name": NAME}})
