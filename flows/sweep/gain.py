"""By how much one configuration is better than another on the same held-out records.

The best of many trials looks better on the records that chose it than it is. So two more things are
told: how often chance alone makes the best of as many trials look as good, and what choosing gains
on records that did not choose (for each part of them the trial that is best on the others).

Source: White 2000, A reality check for data snooping (doi:10.1111/1468-0262.00152), in the
studentised form of Romano & Wolf 2005 (doi:10.1111/j.1468-0262.2005.00615.x), with random signs;
nested cross-validation, Varma & Simon 2006 (doi:10.1186/1471-2105-7-91); standard errors of groups,
Liang & Zeger 1986 (doi:10.1093/biomet/73.1.13).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.core.refs import digest_bytes
from components.training.held_out import HeldOut

_DRAWS = 1000
_PARTS = 5
_SALT = b"parts of held-out records"


@dataclass(frozen=True, kw_only=True)
class Gain:
    """A mean difference of losses; positive is better.

    Attributes:
        mean: over the records.
        error: its standard error; records of one group count together.
        records: how many there were.
        loss: what is left of the loss on them, on average; None without any.
    """

    mean: float
    error: float
    records: int
    loss: float | None


def gain(before: HeldOut, after: HeldOut) -> Gain:
    """What one model is better than another, on the records that both answered."""
    differences = _differences(before, after)
    at = np.flatnonzero(~np.isnan(differences))
    groups = [before.groups[i] for i in at]
    return _gain(differences[at], groups, before.losses[at] - differences[at])


def chance(before: HeldOut, trials: Sequence[HeldOut], best: int) -> float:
    """How often the best of the trials would look as good if none of them were better.

    Gains without their means get random signs, one for each group and for all trials at once; the
    largest of them, in standard errors, is compared with the gain of the best.

    Args:
        before: what all of them are compared with.
        trials: all that were tried, since one of them was to be chosen.
        best: number of the chosen one.
    """
    numbers = np.unique(np.array(before.groups, dtype=np.str_), return_inverse=True)[1]
    sums, scores = [], []
    for trial in trials:
        found, differences = gain(before, trial), _differences(before, trial)
        if found.error > 0:
            away = np.nan_to_num(differences - found.mean)
            each = np.bincount(numbers, weights=away, minlength=numbers.max() + 1)
            sums.append(each / (found.records * found.error))
        scores.append(found.mean / found.error if found.error > 0 else np.inf * found.mean)
    if not sums or scores[best] == np.inf:
        return 0.0 if scores[best] == np.inf else 1.0
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(numbers.max() + 1, _DRAWS))
    largest = (np.stack(sums) @ signs).max(axis=0)
    return float((largest >= scores[best]).mean())


def gain_of_choosing(before: HeldOut, trials: Sequence[HeldOut]) -> float:
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
    return 0.0 if np.isnan(found).all() else float(np.nanmean(found))


def _differences(before: HeldOut, after: HeldOut) -> NDArray[np.float64]:
    """Loss before minus loss after ``(k,)``, NaN for records that were not answered after."""
    known: Mapping[str, float] = dict(zip(after.ids, after.losses.tolist(), strict=True))
    return before.losses - np.array([known.get(i, np.nan) for i in before.ids], np.float64)


def _gain(
    differences: NDArray[np.float64], groups: Sequence[str], losses: NDArray[np.float64]
) -> Gain:
    count = len(differences)
    if not count:
        return Gain(mean=0.0, error=0.0, records=0, loss=None)
    mean = float(differences.mean())
    numbers = np.unique(np.array(groups, dtype=np.str_), return_inverse=True)[1]
    sums = np.bincount(numbers, weights=differences - mean)
    error = float(np.sqrt((sums**2).sum()) / count)
    return Gain(mean=mean, error=error, records=count, loss=float(losses.mean()))


def _part(group: str) -> int:
    return int(digest_bytes(_SALT, group.encode())[:8], 16) % _PARTS
