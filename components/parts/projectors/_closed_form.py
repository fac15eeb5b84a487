"""Linear maps into a shared space, computed from paired vectors at once.

All take vectors ``(n, width)`` that are centred, zeros where a record lacks the modality, and give
weights ``(width, dim)``; what the data have no direction for stays zero.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Vectors = Mapping[str, Array]


def principal(x: Array, dim: int) -> Array:
    """The directions along which vectors differ most, orthonormal ``(width, dim)``."""
    _, vectors = np.linalg.eigh(x.T @ x)
    return _padded(vectors[:, ::-1][:, :dim], dim)


def ridge(x: Array, y: Array, strength: float) -> Array:
    """``(X^T X / n + l I)^-1 X^T Y / n``, ``l`` in units of the mean variance of ``X``."""
    covariance = x.T @ x / len(x)
    penalty = strength * np.trace(covariance) / len(covariance)
    found: Array = np.linalg.solve(
        covariance + (penalty + 1e-9) * np.eye(len(covariance)), x.T @ y / len(x)
    )
    return found


def rotation(x: Array, y: Array) -> Array:
    """The orthogonal ``W = U V^T`` with ``U S V^T = X^T Y``, which makes ``X W`` nearest ``Y``."""
    u, _, vt = np.linalg.svd(x.T @ y, full_matrices=False)
    found: Array = u @ vt
    return found


def canonical(vectors: Vectors, dim: int, strength: float) -> dict[str, Array]:
    """Directions in which the modalities agree most, each weighted by how much they do.

    Each modality is whitened; the directions are the principal ones of all side by side. Of two
    modalities these are the canonical ones, with the roots of the canonical correlations.
    """
    white = {name: _whitener(x, strength) for name, x in vectors.items()}
    stacked = np.hstack([vectors[name] @ white[name] for name in vectors])
    values, directions = np.linalg.eigh(stacked.T @ stacked / len(stacked))
    values, directions = values[::-1][:dim], directions[:, ::-1][:, :dim]
    # Of `m` whitened modalities the value is 1 where they share nothing and m where all is shared.
    shared = ((values - 1) / (len(vectors) - 1)).clip(0, 1)
    found, start = {}, 0
    for name, x in vectors.items():
        own = directions[start : start + x.shape[1]]
        found[name] = _padded(white[name] @ own * np.sqrt(shared), dim)
        start += x.shape[1]
    return found


def _whitener(x: Array, strength: float) -> Array:
    covariance = x.T @ x / max(1, int(x.any(axis=1).sum()))
    penalty = strength * np.trace(covariance) / len(covariance) + 1e-9
    values, directions = np.linalg.eigh(covariance)
    # Rows that lack the modality are zero, so that its whole block must have unit variance.
    scale = np.sqrt(len(x) / max(1, int(x.any(axis=1).sum())))
    found: Array = scale * directions @ np.diag((values.clip(0) + penalty) ** -0.5) @ directions.T
    return found


def _padded(weight: Array, dim: int) -> Array:
    return np.pad(weight, ((0, 0), (0, dim - weight.shape[1])))
