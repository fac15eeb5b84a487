"""Graphs of nearest records, and how what is known of some of them spreads along a graph.

Source: learning with local and global consistency, Zhou et al. 2003; conjugate gradients for it,
Iscen et al. 2019 (arXiv:1904.04717).
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_EXACT = 200_000
"""Records up to which neighbours are searched exhaustively."""


def nearest(x: NDArray[np.float32], most: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Inner products and numbers ``(k, most)`` of the nearest rows, most often with itself.

    Args:
        x: ``(k, dim)``.
        most: how many; fewer where there are fewer rows. A number of -1 is none.
    """
    import faiss

    index = (
        faiss.IndexFlatIP(x.shape[1])
        if len(x) <= _EXACT
        else faiss.IndexHNSWFlat(x.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
    )
    index.add(x)
    similarities, found = index.search(x, min(most, len(x)))
    return similarities, found


def one_way(strength: NDArray[np.floating], found: NDArray[np.int64], count: int) -> "csr_array":
    """Edges ``(count, count)`` from each row to its neighbours; none to itself, or of no strength.

    Args:
        strength: ``(k, most)``.
        found: numbers of the neighbours ``(k, most)``.
        count: number of rows ``k``.
    """
    from scipy.sparse import coo_array, csr_array

    start, end = np.repeat(np.arange(count), found.shape[1]), found.ravel()
    flat = strength.ravel()
    keep = (start != end) & (end >= 0) & (flat > 0)
    edges = coo_array((flat[keep], (start[keep], end[keep])), shape=(count, count))
    made: csr_array = csr_array(edges)
    return made


def normalised(both: "csr_array") -> "csr_array":
    """``D^-1/2 W D^-1/2`` of symmetric weights ``W (k, k)``."""
    from scipy.sparse import csr_array, diags_array

    degrees = np.asarray(both.sum(axis=1)).ravel()
    scale = diags_array(1.0 / np.sqrt(np.where(degrees > 0, degrees, 1.0)))
    graph: csr_array = csr_array(scale @ both @ scale)
    return graph


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
