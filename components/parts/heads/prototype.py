"""The nearest class mean, each mean drawn towards the mean of all by its number of records.

Source: prototypical networks, Snell et al. 2017 (arXiv:1703.05175); shrunken means, Tibshirani et
al. 2002 (doi:10.1073/pnas.082099299).
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
    "id": "H02",
    "name": "prototypes of examples (nearest shrunken class mean)",
    "for": "one to eight labels for each class",
    "needs": "labels of every class",
    "use": "model: {heads: [logistic, gda, prototype]}",
}


@dataclass(frozen=True, kw_only=True)
class Config:
    """How the head is fitted.

    Attributes:
        priors: numbers of records that the mean of all counts for, from many to few.
    """

    priors: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)] = (
        *(10.0, 3.0, 1.0, 0.1),
    )


class PrototypeHead:
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
        """Fits from the means most drawn together to the least; see ``Head.path``.

        The scale of the logits is left to calibration. For a sigmoid the logit of a class tells its
        mean from that of all.
        """
        x = features.astype(np.float64)
        fits = [class_means(x, targets, w) for w in weights.T]
        overall = [np.average(x, axis=0, weights=w + 1e-12) for w in weights.T]
        odds = prior(targets, weights, activation)
        for strength in self._config.priors:
            found = [
                _nearest(means, masses, centre, strength, activation)
                for (means, masses), centre in zip(fits, overall, strict=True)
            ]
            yield Linear(
                weight=np.stack([w.astype(np.float32) for w, _ in found]),
                bias=(odds + np.stack([b for _, b in found])).astype(np.float32),
            )


def _nearest(
    means: NDArray[np.float64],
    masses: NDArray[np.float64],
    centre: NDArray[np.float64],
    strength: float,
    activation: Activation,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights ``(dim, classes)`` and biases of half the squared distances, turned round."""
    drawn = (means * masses[:, None] + strength * centre) / (masses + strength)[:, None]
    bias = -0.5 * np.square(drawn).sum(axis=1)
    weight = drawn.T
    if activation == "sigmoid":
        bias += 0.5 * float(centre @ centre)
        weight = weight - centre[:, None]
    return without_evidence(weight, bias, masses)


def build(config: Config) -> PrototypeHead:
    """A head of class means."""
    return PrototypeHead(config)
