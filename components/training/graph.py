"""The neighbour graph of the training records, along which class distributions spread.

Source: sharpened similarities, Iscen et al. 2019 (arXiv:1904.04717).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from components.parts.graphs import nearest, normalised, one_way
from components.training.views import Views

if TYPE_CHECKING:
    from scipy.sparse import csr_array

NEIGHBOURS = 15
_SHARPNESS = 4
"""Power of the similarities: close neighbours count far more than distant ones."""


def neighbour_graph(
    views: Views, weights: Mapping[str, float], rows: NDArray[np.int64]
) -> "csr_array":
    """Symmetrically normalised similarities ``(k, k)`` of records to their nearest ones.

    The similarity of two records is the weighted mean of the cosines in the views.

    Args:
        views: of all records.
        weights: view name to its share.
        rows: ``(k,)`` records in the graph.
    """
    x = side_by_side(views, weights, rows)
    similarities, found = nearest(x, NEIGHBOURS + 1)
    edges = one_way(np.maximum(similarities, 0.0) ** _SHARPNESS, found, len(x))
    return normalised(edges.maximum(edges.T))


def side_by_side(
    views: Views, weights: Mapping[str, float], rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Unit vectors of the views ``(k, all dims)``, each as long as the root of its weight."""
    parts = []
    for view, x in views.features.items():
        if view not in weights:
            continue
        lengths = np.linalg.norm(x[rows], axis=1, keepdims=True)
        unit = x[rows] / np.maximum(lengths, 1e-12)
        parts.append(unit * np.float32(np.sqrt(weights[view])) * views.present[view][rows, None])
    return np.ascontiguousarray(np.hstack(parts), dtype=np.float32)
