"""A claim that was written down beforehand, and what its experiment says of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

Figures = Mapping[str, float]
"""What one seed of an experiment measured, by name of the arm."""
Verdict = Literal["shown", "not shown", "opposite"]
SEEDS = 5
"""Seeds of a bed below which there is no verdict."""
_RESAMPLES = 10_000


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that should show.

    Attributes:
        what: it in words: "accuracy with masking minus without, half of the modalities missing".
        value: the number of one seed that is bounded.
        above: shown if the whole interval lies above it.
        below: shown if the whole interval lies below it.
    """

    what: str
    value: Callable[[Figures], float]
    above: float | None = None
    below: float | None = None


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What an experiment is to show.

    Attributes:
        id: of the method, with the letter of its variant.
        says: what was claimed before anything was measured.
        bed: where it is tried, in words.
        checks: what must hold; all of them for "shown".
        direction: what must hold in the short form, with one seed.
        adds: a real set and a figure there in words, to that figure with the method minus the one
            of Concord's default without it; none where that makes no sense (``note`` says why).
        note: what was looked into where a check failed, or why there is no real set.
    """

    id: str
    says: str
    bed: str
    checks: Sequence[Check]
    direction: Callable[[Figures], bool]
    adds: Mapping[str, Callable[[Figures], float]] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A number over the seeds: its mean with a 95% percentile interval of the bootstrap."""

    mean: float
    low: float
    high: float
    seeds: int

    def __str__(self) -> str:
        return f"{self.mean:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"


def found(value: Callable[[Figures], float], cells: Sequence[Figures]) -> Found | None:
    """A number over seeds; None without any.

    Every seed draws its own data, so that resampling seeds resamples records too.
    """
    numbers = np.array([value(figures) for figures in cells], dtype=np.float64)
    if not len(numbers):
        return None
    rng = np.random.default_rng(0)
    means = numbers[rng.integers(len(numbers), size=(_RESAMPLES, len(numbers)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Found(mean=float(numbers.mean()), low=float(low), high=float(high), seeds=len(numbers))


def verdict_of(check: Check, one: Found) -> Verdict:
    """Whether the interval lies within the bounds, beyond one of them, or neither."""
    above = -np.inf if check.above is None else check.above
    below = np.inf if check.below is None else check.below
    if one.low > above and one.high < below:
        return "shown"
    return "opposite" if one.high < above or one.low > below else "not shown"


def verdict(claim: Claim, cells: Sequence[Figures]) -> Verdict | None:
    """What the checks say together: the worst of them; None with too few seeds to say."""
    verdicts = []
    for check in claim.checks:
        one = found(check.value, cells)
        if one is None or one.seeds < SEEDS:
            return None
        verdicts.append(verdict_of(check, one))
    order: tuple[Verdict, ...] = ("opposite", "not shown", "shown")
    return min(verdicts, key=order.index)
