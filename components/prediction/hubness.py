"""Scores without hubs: records that are near to nearly every query lose what makes them so.

Source: dual-bank normalisation, Wang et al. 2023, "Balance Act: Mitigating Hubness in Cross-Modal
Retrieval with Query and Gallery Banks" (arXiv:2310.11612); the sharpness is that of the inverted
softmax in Bogolin et al. 2022, "Cross Modal Retrieval with Querybank Normalisation"
(arXiv:2112.12777).
"""

import numpy as np
from numpy.typing import NDArray

METHOD = {
    "id": "R06a",
    "name": "hubness correction: dual-bank normalisation, querybank",
    "for": "search in which a few records are hits of nearly every query",
    "needs": "an index of at least some hundred records",
    "use": '`"hubness": true` in a request to `/v1/search`',
}
SHARPNESS = 20.0
BANK = 256
"""Vectors in each bank."""


def corrected(
    scores: NDArray[np.floating],
    gallery: NDArray[np.floating],
    queries: NDArray[np.floating],
    others: NDArray[np.floating],
    sharpness: float = SHARPNESS,
) -> NDArray[np.float64]:
    """Scores ``(n,)`` less what each record gets from queries and records of a bank.

    With the sharpness ``b`` the formula of the source is
    ``s' = e^(b s) / sum_x e^(b s(x, g)) * e^(b s) / sum_y e^(b s(y, g))``. Returned is
    ``log(s') / 2b`` with means in the place of sums: the order is the same, and the unit is that
    of a cosine.

    Args:
        scores: cosines of the query with each record.
        gallery: unit vectors of the records ``(n, dim)``.
        queries: the bank of queries ``(x, dim)``.
        others: the bank of records ``(y, dim)``.
        sharpness: how much the nearest of a bank count beside the others.
    """
    common = [_popularity(gallery, bank, sharpness) for bank in (queries, others) if len(bank)]
    found = np.asarray(scores, dtype=np.float64)
    return found - sum(common) / 2 if common else found


def _popularity(
    gallery: NDArray[np.floating], bank: NDArray[np.floating], sharpness: float
) -> NDArray[np.float64]:
    """The soft maximum ``(n,)`` of each record's cosines with a bank."""
    cosines = gallery.astype(np.float64) @ bank.astype(np.float64).T
    top = cosines.max(axis=1)
    spread = np.exp(sharpness * (cosines - top[:, None])).mean(axis=1)
    found: NDArray[np.float64] = top + np.log(spread) / sharpness
    return found
