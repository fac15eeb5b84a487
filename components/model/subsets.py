"""The patterns of present modalities, and what it costs to lose some.

Source: evaluation on all subsets of modalities, as in Ma et al. 2022 (arXiv:2204.05454).
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

REST = "*"
"""In place of a subset's key: all subsets that are not measured one by one."""
_MOST = 127
"""Most subsets that are measured one by one: all those of seven modalities."""


def subsets(names: Sequence[str]) -> list[tuple[str, ...]]:
    """All ``2^m - 1`` non-empty subsets, small ones first, names sorted.

    >>> subsets(["text", "image"])
    [('image',), ('text',), ('image', 'text')]
    """
    return _of_sizes(names, range(1, len(names) + 1))


def measured(names: Sequence[str]) -> list[tuple[str, ...]]:
    """The subsets that are measured one by one: all, unless their number explodes.

    Of more than seven modalities: each alone, pairs as long as all of them find room, all but one,
    and all.

    >>> [len(measured("abcdefghijklmnopqrst"[:m])) for m in (7, 12, 20)]
    [127, 91, 41]
    """
    ordered = sorted(names)
    m = len(ordered)
    if 2**m - 1 <= _MOST:
        return subsets(ordered)
    sizes = {1, 2, m - 1, m}
    if sum(comb(m, size) for size in sizes) > _MOST:
        sizes.remove(2)
    return _of_sizes(ordered, sizes)


def left_out(names: Sequence[str]) -> str:
    """A sentence on the subsets that are not measured one by one; empty where all are.

    >>> left_out("abcdefghijkl")
    '91 of the 4,095 subsets of 12 modalities are shown: each alone, pairs, all but one, and all.'
    """
    found = measured(names)
    m, pairs = len(names), any(len(subset) == 2 for subset in found)
    if len(found) == 2**m - 1:
        return ""
    shown = f"each alone, {'pairs, ' if pairs else ''}all but one, and all"
    return f"{len(found)} of the {2**m - 1:,} subsets of {m} modalities are shown: {shown}."


def _of_sizes(names: Sequence[str], sizes: Iterable[int]) -> list[tuple[str, ...]]:
    ordered = sorted(names)
    return [subset for size in sorted(sizes) for subset in combinations(ordered, size)]


def subset_key(subset: Sequence[str]) -> str:
    """The name of a subset in results.

    >>> subset_key(("text", "image"))
    'image+text'
    """
    return "+".join(sorted(subset))


def patterns(present: NDArray[np.bool_], names: Sequence[str]) -> list[str]:
    """Key of the subset that each record of ``present (n, modalities)`` has; empty without any."""
    kinds, inverse = np.unique(present, axis=0, return_inverse=True)
    keys = [
        subset_key([name for name, has in zip(names, kind, strict=True) if has]) for kind in kinds
    ]
    return [keys[i] for i in inverse.reshape(-1)]


def temperature(known: Mapping[str, float], key: str) -> float:
    """The temperature of a subset; of one that was not measured, that of the rest; else 1.

    >>> [temperature({"image": 2.0, "*": 1.5}, key) for key in ("image", "text")]
    [2.0, 1.5]
    """
    return known.get(key, known.get(REST, 1.0))


def ignored(
    accuracy: Mapping[str, float | None], names: Sequence[str], tolerance: float = 1e-9
) -> list[str]:
    """Modalities whose removal changes no accuracy, so that the model does not use them."""
    full = accuracy.get(subset_key(names))
    if full is None or len(names) < 2:
        return []
    left = {
        name: accuracy.get(subset_key([n for n in names if n != name])) for name in sorted(names)
    }
    return [
        name for name, value in left.items() if value is not None and abs(value - full) <= tolerance
    ]
