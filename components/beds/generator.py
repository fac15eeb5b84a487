"""The generators of the beds: records drawn from a known law, and the best answer under that law.

Source: Bayes' rule for Gaussian classes of one covariance, Fisher 1936; partial information
(redundant, unique, synergetic), Williams & Beer 2010 (arXiv:1004.2515).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from components.beds.knobs import Knobs

_CODE = 8
"""Numbers of the code of an instance, and of the private code of each modality."""

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Records drawn from a law.

    Attributes:
        labels: ``(n,)`` class numbers.
        vectors: ``(n, modalities, dim)``.
    """

    labels: NDArray[np.int64]
    vectors: Array


class Generator(Protocol):
    """A law of records."""

    knobs: Knobs
    classes: int

    def draw(self, n: int, random: np.random.Generator) -> Drawn:
        """``n`` records."""

    def posterior(self, vectors: Array, subset: Sequence[int]) -> Array:
        """Probabilities ``(n, classes)`` given vectors ``(n, modalities, dim)`` of a subset."""


def generator(bed: str, knobs: Knobs) -> Generator:
    """The generator of a bed."""
    return Pair(knobs) if bed == "pair" else Xor(knobs)


class Pair:
    """``h^m = A_m [class code; instance code; private code] + noise``.

    The instance code is the same in all modalities of a record and the private code is not; both
    are normal, with variances ``shared`` and ``1 - shared``. The class code is a unit vector times
    the strength, and A_m is a random matrix that keeps lengths on average.
    """

    def __init__(self, knobs: Knobs) -> None:
        self.knobs, self.classes = knobs, knobs.classes
        size = knobs.classes + 2 * _CODE
        random = np.random.default_rng([knobs.seed, 0])
        maps = random.normal(0, knobs.dim**-0.5, (knobs.modalities, knobs.dim, size))
        self._class = knobs.strength * maps[:, :, : knobs.classes]
        self._instance = knobs.shared**0.5 * maps[:, :, knobs.classes : knobs.classes + _CODE]
        self._private = (1 - knobs.shared) ** 0.5 * maps[:, :, knobs.classes + _CODE :]

    def draw(self, n: int, random: np.random.Generator) -> Drawn:
        """``n`` records."""
        knobs = self.knobs
        labels = random.choice(self.classes, n, p=knobs.frequencies(self.classes))
        vectors = self._class[:, :, labels].transpose(2, 0, 1)
        vectors = vectors + np.einsum("mdk,nk->nmd", self._instance, random.normal(size=(n, _CODE)))
        private = random.normal(size=(n, knobs.modalities, _CODE))
        vectors += np.einsum("mdk,nmk->nmd", self._private, private)
        return Drawn(labels=labels, vectors=_noisy(vectors, knobs, random))

    def posterior(self, vectors: Array, subset: Sequence[int]) -> Array:
        """Probabilities ``(n, classes)`` given vectors ``(n, modalities, dim)`` of a subset."""
        at, dim = list(subset), self.knobs.dim
        means = np.concatenate(self._class[at])
        shared = np.concatenate(self._instance[at])
        covariance = shared @ shared.T
        for row, modality in enumerate(at):
            own, block = self._private[modality], slice(row * dim, (row + 1) * dim)
            noise = self.knobs.deviations[modality] ** 2 * np.eye(dim)
            covariance[block, block] += own @ own.T + noise
        weights = np.linalg.solve(covariance, means)
        prior = np.log(self.knobs.frequencies(self.classes))
        offsets = prior - 0.5 * (means * weights).sum(0)
        return _softmax(vectors[:, at].reshape(len(vectors), -1) @ weights + offsets)


class Xor:
    """A bit in each modality, seen along one direction with a private code across it.

    The knob `variant` selects how the label follows from the bits.
    """

    classes = 2

    def __init__(self, knobs: Knobs) -> None:
        self.knobs = knobs
        random = np.random.default_rng([knobs.seed, 0])
        square = random.normal(size=(knobs.modalities, knobs.dim, knobs.dim))
        # Orthogonal, so that the private code says nothing about the bit.
        self._maps = np.linalg.qr(square)[0][:, :, : min(knobs.dim, 1 + _CODE)]

    def draw(self, n: int, random: np.random.Generator) -> Drawn:
        """``n`` records."""
        knobs = self.knobs
        labels = random.choice(2, n, p=knobs.frequencies(2))
        bits = random.integers(0, 2, (n, knobs.modalities))
        if knobs.variant == "xor":
            bits[:, 0] = (labels + bits[:, 1:].sum(1)) % 2
        elif knobs.variant == "redundant":
            bits[:] = labels[:, None]
        else:
            bits[:, 0] = labels
        codes = random.normal(size=(n, knobs.modalities, self._maps.shape[2]))
        codes[:, :, 0] = knobs.strength * (2 * bits - 1)
        vectors = np.einsum("mdk,nmk->nmd", self._maps, codes)
        return Drawn(labels=labels, vectors=_noisy(vectors, knobs, random))

    def posterior(self, vectors: Array, subset: Sequence[int]) -> Array:
        """Probabilities ``(n, classes)`` given vectors ``(n, modalities, dim)`` of a subset."""
        knobs, at = self.knobs, list(subset)
        seen = np.einsum("nmd,md->nm", vectors[:, at], self._maps[at, :, 0])
        odds = 2 * knobs.strength * seen / np.square(np.array(knobs.deviations)[at])
        if knobs.variant == "redundant":
            even = -odds.sum(1)
        elif knobs.variant == "unique":
            even = -odds[:, at.index(0)] if 0 in at else np.zeros(len(odds))
        else:
            # (1 + product) / 2 is the chance that the sum of independent bits is even.
            whole = len(at) == knobs.modalities
            product = (-np.tanh(odds / 2)).prod(1) if whole else np.zeros(len(odds))
            even = 2 * np.arctanh(product.clip(-1 + 1e-15, 1 - 1e-15))
        return _softmax(np.stack([even, np.zeros_like(even)], 1) + np.log(knobs.frequencies(2)))


def _noisy(vectors: Array, knobs: Knobs, random: np.random.Generator) -> Array:
    noise = random.normal(size=vectors.shape)
    return np.asarray(vectors + noise * np.array(knobs.deviations)[:, None])


def _softmax(scores: Array) -> Array:
    raised = np.exp(scores - scores.max(1, keepdims=True))
    return np.asarray(raised / raised.sum(1, keepdims=True))


def mixed(drawn: Drawn, other: Drawn, rows: NDArray[Any]) -> Drawn:
    """The records, where those of some rows have the modalities beyond the first of others."""
    vectors = drawn.vectors.copy()
    vectors[rows, 1:] = other.vectors[rows, 1:]
    return Drawn(labels=drawn.labels, vectors=vectors)
