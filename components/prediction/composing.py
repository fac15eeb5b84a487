"""One query vector from several examples: more like these, less like those.

Source: Rocchio 1971, "Relevance feedback in information retrieval"; the weight of what is unwanted
is that of Manning, Raghavan & Schütze 2008, "Introduction to Information Retrieval", section 9.1.1
(0.15 beside 0.75).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components.core.errors import BadInput

METHOD = {
    "id": "R05a",
    "name": "composed and negated queries (Rocchio)",
    "for": "searching by several examples, and away from others",
    "needs": "an index; two modalities for mixes of picture and text",
    "use": "concord search",
}
Vector = NDArray[np.float32]
Weighted = Sequence[tuple[Vector, float]]
"""Unit vectors ``(dim,)`` of one space, each with its weight."""

UNWANTED = 0.2
"""What an unwanted example of weight 1 counts beside wanted ones."""
_LEAST = 1e-6


def composed(like: Weighted, unlike: Weighted = ()) -> Vector:
    """The unit vector ``(dim,)`` of the weighted mean of wanted examples minus unwanted ones.

    ``q = sum(w z) / sum(w) - 0.2 / m * sum(u n)`` with ``m`` unwanted examples ``n``, scaled to
    unit length: weights of wanted examples are relative to each other, and an unwanted one of
    weight 5 counts as much as all wanted ones together.

    Raises:
        BadInput: nothing is left, since what is wanted and what is not are the same.
    """
    total = sum(weight for _, weight in like)
    mean = sum((weight / total * z.astype(np.float64) for z, weight in like), start=np.zeros(1))
    away = sum((weight * n.astype(np.float64) for n, weight in unlike), start=np.zeros(1))
    query = mean - UNWANTED / max(1, len(unlike)) * away
    length = float(np.linalg.norm(query))
    if length < _LEAST:
        wanted = "examples that do not cancel each other"
        raise BadInput("unlike", "what is wanted and unwanted at once", wanted)
    return np.asarray(query / length, dtype=np.float32)
