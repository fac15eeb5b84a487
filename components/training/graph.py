"""The neighbour graph of the training records, and propagation of class distributions along it.

Source: learning with local and global consistency, Zhou et al. 2003; conjugate gradients for it and
sharpened similarities, Iscen et al. 2019 (arXiv:1904.04717).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from components.training.views import Views

if TYPE_CHECKING:
    from scipy.sparse import csr_array

NEIGHBOURS = 15
_EXACT = 200_000
"""Records up to which neighbours are searched exhaustively."""
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
    from scipy.sparse import coo_array, csr_array, diags_array

    x = side_by_side(views, weights, rows)
    similarities, found = _nearest(x)
    count, k = found.shape
    start, end = np.repeat(np.arange(count), k), found.ravel()
    strength = np.maximum(similarities.ravel(), 0.0) ** _SHARPNESS
    keep = (start != end) & (end >= 0) & (strength > 0)
    shape = (count, count)
    one_way = csr_array(coo_array((strength[keep], (start[keep], end[keep])), shape=shape))
    both = one_way.maximum(one_way.T)
    degrees = np.asarray(both.sum(axis=1)).ravel()
    scale = diags_array(1.0 / np.sqrt(np.where(degrees > 0, degrees, 1.0)))
    graph: csr_array = csr_array(scale @ both @ scale)
    return graph


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


def _nearest(x: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Similarities and numbers ``(k, neighbours)``, most often with the record itself."""
    import faiss

    most = min(NEIGHBOURS + 1, len(x))
    index = (
        faiss.IndexFlatIP(x.shape[1])
        if len(x) <= _EXACT
        else faiss.IndexHNSWFlat(x.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
    )
    index.add(x)
    similarities, found = index.search(x, most)
    return similarities, found


def propagated(
    graph: "csr_array", start: NDArray[np.floating], share: float, tolerance: float = 1e-4
) -> NDArray[np.float64]:
    """The solution ``F`` of ``(I - share S) F = (1 - share) start``, ``(k, columns)``.

    Conjugate gradients, one for each column at the same time: the matrix is symmetric and positive
    definite for a share below 1.

    Args:
        graph: ``S``, from ``neighbour_graph``.
        start: ``(k, columns)``.
        share: how much a record takes from its neighbours, at least 0 and below 1.
        tolerance: of the residual, relative to the start.
    """
    wanted = (1 - share) * start.astype(np.float64)
    found = start.astype(np.float64).copy()
    if share == 0:
        return found
    residual = wanted - (found - share * (graph @ found))
    direction, squared = residual.copy(), np.square(residual).sum(axis=0)
    limit = np.square(wanted).sum(axis=0) * tolerance**2
    for _ in range(200):
        if (squared <= limit).all():
            break
        image = direction - share * (graph @ direction)
        step = squared / np.maximum((direction * image).sum(axis=0), 1e-300)
        found += step * direction
        residual -= step * image
        before, squared = squared, np.square(residual).sum(axis=0)
        direction = residual + squared / np.maximum(before, 1e-300) * direction
    return found
