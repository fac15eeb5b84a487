"""The vectors that search, from the examples of a search: alone, as a weighted sum, or composed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.core.errors import BadInput
from components.core.names import FUSED
from components.model.composer import Composer
from components.prediction.asking import Ask, How
from components.prediction.composing import composed

Vector = NDArray[np.float32]
Vectors = Mapping[str, Vector]
"""Modality, and ``fused``, to unit vector ``(dim,)``."""


@dataclass(frozen=True, kw_only=True)
class Mix:
    """The examples of a search as vectors.

    Attributes:
        ask: the search.
        like: vectors of each wanted example.
        unlike: those of each unwanted one.
        composer: that of the package, if it has one.
    """

    ask: Ask
    like: Sequence[Vectors]
    unlike: Sequence[Vectors]
    composer: Composer | None = None

    @property
    def how(self) -> How | None:
        """What makes one query of several examples; None of one alone."""
        if len(self.like) == 1 and not self.unlike:
            return None
        return "sum" if self._pair() is None else "composer"

    def seeking(self) -> dict[str, Vector]:
        """The vectors that search, by the modality that they come from, or ``fused``.

        Raises:
            BadInput: what is wanted in the fused space is not known there.
        """
        ask, every = self.ask, (*self.like, *self.unlike)
        if ask.target == FUSED and not all(FUSED in vectors for vectors in every):
            wanted = "a modality as `target`: of a stored record, only its own vectors are known"
            raise BadInput("by", repr(ask.by), wanted)
        if self.how is None:
            (only,) = self.like
            names = [FUSED] if ask.target == FUSED else sorted(set(only) - {FUSED})
            return {name: only[name] for name in names}
        if ask.target == FUSED:
            return {FUSED: self._sum(lambda vectors: vectors[FUSED])}
        # The space of all modalities is the same; a bank of queries is that of the first one.
        return {min(_modalities(self.like[0])): self.shared()}

    def shared(self) -> Vector:
        """One vector of the whole query in the space of the modalities."""
        pair = self._pair()
        if self.composer is None or pair is None:
            return self._sum(_mean)
        return self.composer(*pair)

    def _pair(self) -> tuple[Vector, Vector] | None:
        """The reference and the text that the composer joins; None where the sum is taken.

        They are the only two examples, of equal weight, each of one modality alone; the modality of
        the reference is searched, as the composer learned it.
        """
        ask, composer = self.ask, self.composer
        if composer is None or self.unlike or len(self.like) != 2:
            return None
        if ask.target != composer.reference or ask.like[0].weight != ask.like[1].weight:
            return None
        given = {min(names): v for v in self.like if len(names := _modalities(v)) == 1}
        if set(given) != {composer.reference, composer.text}:
            return None
        reference, text = composer.reference, composer.text
        return given[reference][reference], given[text][text]

    def _sum(self, one: Callable[[Vectors], Vector]) -> Vector:
        return composed(
            [(one(v), e.weight) for v, e in zip(self.like, self.ask.like, strict=True)],
            [(one(v), e.weight) for v, e in zip(self.unlike, self.ask.unlike, strict=True)],
        )


def _modalities(vectors: Vectors) -> set[str]:
    return set(vectors) - {FUSED}


def _mean(vectors: Vectors) -> Vector:
    """The direction of an example in the space of the modalities."""
    return composed([(vector, 1.0) for name, vector in sorted(vectors.items()) if name != FUSED])
