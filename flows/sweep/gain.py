"""By how much one configuration is better than another on the same held-out records.

The best of many trials looks better on the records that chose it than it is. So the gain that
decides is one of records that did not choose: for each part of the records the trial that is best
on the others is taken, and its gain on this part counts.

Source: nested cross-validation, Varma & Simon 2006 (doi:10.1186/1471-2105-7-91); standard errors of
groups, Liang & Zeger 1986 (doi:10.1093/biomet/73.1.13).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.core.refs import digest_bytes
from components.training.held_out import HeldOut

BEYOND_NOISE = 1.96
"""Standard errors above which a gain is one: the two-sided 95% of a normal distribution."""
_PARTS = 5
_SALT = b"parts of held-out records"


@dataclass(frozen=True, kw_only=True)
class Gain:
    """A mean difference of losses; positive is better.

    Attributes:
        mean: over the records.
        error: its standard error; records of one group count together.
        records: how many there were.
    """

    mean: float
    error: float
    records: int

    @property
    def beyond_noise(self) -> bool:
        """Whether it is above 0 by more than chance."""
        return self.records > 1 and self.mean > BEYOND_NOISE * self.error


def gain(before: HeldOut, after: HeldOut) -> Gain:
    """What one model is better than another, on the records that both answered."""
    differences = _differences(before, after)
    at = np.flatnonzero(~np.isnan(differences))
    return _gain(differences[at], [before.groups[i] for i in at])


def honest_gain(before: HeldOut, trials: Sequence[HeldOut]) -> Gain:
    """What the best trial is better, each part of the records judging the choice of the others.

    Where no trial is better than ``before`` on the others, ``before`` is chosen.
    """
    every = np.stack([np.zeros(len(before.ids)), *(_differences(before, t) for t in trials)])
    parts = np.array([_part(group) for group in before.groups], np.int64)
    found = np.full(len(before.ids), np.nan)
    for part in range(_PARTS):
        others = every[:, parts != part]
        counts = (~np.isnan(others)).sum(axis=1)
        means = np.nansum(others, axis=1) / np.maximum(counts, 1)
        found[parts == part] = every[int(means.argmax()), parts == part]
    at = np.flatnonzero(~np.isnan(found))
    return _gain(found[at], [before.groups[i] for i in at])


def _differences(before: HeldOut, after: HeldOut) -> NDArray[np.float64]:
    """Loss before minus loss after ``(k,)``, NaN for records that were not answered after."""
    known: Mapping[str, float] = dict(zip(after.ids, after.losses.tolist(), strict=True))
    return before.losses - np.array([known.get(i, np.nan) for i in before.ids], np.float64)


def _gain(differences: NDArray[np.float64], groups: Sequence[str]) -> Gain:
    count = len(differences)
    if not count:
        return Gain(mean=0.0, error=0.0, records=0)
    mean = float(differences.mean())
    numbers = np.unique(np.array(groups, dtype=np.str_), return_inverse=True)[1]
    sums = np.bincount(numbers, weights=differences - mean)
    return Gain(mean=mean, error=float(np.sqrt((sums**2).sum()) / count), records=count)


def _part(group: str) -> int:
    return int(digest_bytes(_SALT, group.encode())[:8], 16) % _PARTS
