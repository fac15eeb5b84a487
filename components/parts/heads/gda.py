"""Gaussian discriminant analysis: one mean for each class, one shrunken covariance for all.

Source: regularised discriminant analysis, Friedman 1989 (doi:10.1080/01621459.1989.10478752);
distances to estimated means are too long, Moran & Murphy 1979, A closer look at two alternative
methods of statistical discrimination.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from components.parts.linear import Activation, Linear, class_means, prior, without_evidence

LIBRARIES = ("numpy",)
METHOD = {
    "id": "H01a",
    "name": "linear probe (shrunken Gaussian discriminant)",
    "for": "a floor in closed form, where features are wide and labels few",
    "needs": "labels of every class",
    "use": "model: {heads: [logistic, gda]}",
}

_ALIKE = 1e-6
"""Records are alike whose variance is this share of their mean square: precisions beyond make
logits in which single precision loses what all other views say."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """How the head is fitted.

    Attributes:
        shrinkages: shares of the spherical part of the covariance, from 1 to nearly 0.
        directions: the covariance is taken along this many directions of greatest variance.
    """

    shrinkages: Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], Field(min_length=1)] = (
        *(1.0, 0.5, 0.2, 0.1, 0.05, 0.02),
    )
    directions: Annotated[int, Field(ge=1)] = 256


@dataclass(frozen=True, kw_only=True)
class _Moments:
    """Means ``(classes, k)`` of classes, and the covariance within classes.

    The latter by its eigenvalues and eigenvectors; ``masses (classes,)`` counts the records. Where
    each class is told from all other records ``others`` has the means and masses of these, and
    ``prior`` the logits of the shares of the classes.
    """

    means: NDArray[np.float64]
    others: tuple[NDArray[np.float64], NDArray[np.float64]] | None
    prior: NDArray[np.float64]
    masses: NDArray[np.float64]
    values: NDArray[np.float64]
    vectors: NDArray[np.float64]


class GdaHead:
    """Closed form."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def affordable(self, *_size: int) -> bool:
        """Always; see ``Head.affordable``."""
        return True

    def path(
        self,
        features: NDArray[np.float32],
        targets: NDArray[np.floating],
        weights: NDArray[np.floating],
        activation: Activation,
    ) -> Iterator[Linear]:
        """Fits from the most shrunken covariance to the least; see ``Head.path``.

        For a sigmoid each class is told from all other records, with the covariance of all.
        """
        basis = _directions(features, self._config.directions)
        x = (features @ basis).astype(np.float64)
        parts = [_moments(x, targets, w, activation) for w in weights.T]
        for shrinkage in self._config.shrinkages:
            fits = [_discriminant(part, shrinkage) for part in parts]
            yield Linear(
                weight=np.stack([(basis @ w).astype(np.float32) for w, _ in fits]),
                bias=np.stack([b.astype(np.float32) for _, b in fits]),
            )


def _moments(
    x: NDArray[np.float64],
    targets: NDArray[np.floating],
    weights: NDArray[np.floating],
    activation: Activation,
) -> _Moments:
    means, masses = class_means(x, targets, weights)
    share = targets / np.maximum(targets.sum(axis=1, keepdims=True), 1.0)
    spread = x - share @ means
    covariance = (spread * weights[:, None]).T @ spread / max(float(weights.sum()), 1e-12)
    values, vectors = np.linalg.eigh(covariance)
    others = class_means(x, 1.0 - targets, weights) if activation == "sigmoid" else None
    (odds,) = prior(targets, weights[:, None], activation)
    return _Moments(
        means=means,
        others=others,
        prior=odds,
        masses=masses,
        values=np.maximum(values, 0.0),
        vectors=vectors,
    )


def _directions(features: NDArray[np.float32], most: int) -> NDArray[np.float32]:
    """Orthonormal columns ``(dim, k)`` along which the features vary most."""
    centred = features - features.mean(axis=0)
    _, _, rows = np.linalg.svd(centred, full_matrices=False)
    found: NDArray[np.float32] = rows[:most].T
    return found


def _discriminant(
    found: _Moments, shrinkage: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights ``(k, classes)`` and biases ``(classes,)`` of the log-odds of the classes."""
    # With one record of each class there is no spread within classes: that of the means remains.
    spread = max(float(found.values.mean()), 0.01 * float(found.means.var(axis=0).mean()))
    if spread <= _ALIKE * float(np.square(found.means).mean()):
        return np.zeros(found.means.T.shape), found.prior  # all are alike: features tell nothing
    spherical = max(spread, 1e-12)
    precision = 1.0 / ((1 - shrinkage) * found.values + shrinkage * spherical)
    turn = found.vectors
    solved = turn @ (precision[:, None] * (turn.T @ found.means.T))
    bias = -0.5 * (found.means.T * solved).sum(axis=0)
    if found.others is not None:
        means, masses = found.others
        against = turn @ (precision[:, None] * (turn.T @ means.T))
        bias += 0.5 * (means.T * against).sum(axis=0)
        # The mean of few records lies far from any record, that of many does not.
        noise = float(precision @ found.values)
        bias += 0.5 * noise * (1 / np.maximum(found.masses, 1) - 1 / np.maximum(masses, 1))
        solved = solved - against
    weight, bias = without_evidence(solved, bias, found.masses)
    return weight, found.prior + bias


def build(config: Config) -> GdaHead:
    """A head with one covariance."""
    return GdaHead(config)
