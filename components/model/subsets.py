"""Every pattern of present modalities, and what it costs to lose some.

Source: evaluation on all subsets of modalities, as in Ma et al. 2022 (arXiv:2204.05454).
"""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray


def subsets(names: Sequence[str]) -> list[tuple[str, ...]]:
    """All ``2^m - 1`` non-empty subsets, small ones first, names sorted.

    >>> subsets(["text", "image"])
    [('image',), ('text',), ('image', 'text')]
    """
    ordered = sorted(names)
    return [subset for size in range(1, len(ordered) + 1) for subset in combinations(ordered, size)]


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
