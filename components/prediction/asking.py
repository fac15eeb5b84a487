"""What a search asks for, and what it finds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from components.core.names import FUSED
from components.parts.filters import Filter

Vector = NDArray[np.float32]
How = Literal["composer", "sum"]
"""What makes one query of several examples."""


@dataclass(frozen=True, kw_only=True)
class _Named:
    """What an example has, however it is given.

    Attributes:
        id: of a record of the collection.
        weight: beside the other examples, above 0.
        place: path in the request, for errors.
    """

    id: str | None = None
    weight: float = 1.0
    place: str = "query"


@dataclass(frozen=True, kw_only=True)
class Given(_Named):
    """An example as a user gives it: values by modality, or the id of a record.

    Attributes:
        record: modality to value; None if it is named by id.
    """

    record: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Example(_Named):
    """A record that is wanted, or not: as its vectors, or by the id of one of the collection.

    Attributes:
        vectors: modality, and ``fused``, to unit vector ``(dim,)``; None if it is named by id.
    """

    vectors: Mapping[str, Vector] | None = None


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What to search for.

    Attributes:
        like: wanted examples, at least one.
        unlike: unwanted ones.
        by: only this modality of the examples counts.
        target: what is searched: the vectors of a modality, or ``fused``.
        k: hits wanted.
        where: which records may be found.
        after: ``next`` of the page before.
        hubness: correct scores of records that are near to nearly every query.
        explain: add the cosine with each modality of a hit, and how examples were joined.
        asked: digest of the examples as they were given, by which a cursor is known again.
    """

    like: Sequence[Example]
    unlike: Sequence[Example] = field(default=())
    by: str | None = None
    target: str = FUSED
    k: int = 10
    where: Filter | None = None
    after: str | None = None
    hubness: bool = False
    explain: bool = False
    asked: str = ""


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A record that was found.

    Attributes:
        id: id of the record.
        score: cosine with the query; for a query of several vectors, the sum of reciprocal ranks.
        label: label of the record, if known: a class, or a list of classes.
        predicted: the model's own answer, a class or a list; None without a classifier.
        modalities: the record's modalities.
        scores: modality to its cosine with the query, where that was asked for.
    """

    id: str
    score: float
    label: str | list[str] | None
    predicted: str | list[str] | None
    modalities: tuple[str, ...]
    scores: Mapping[str, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Page:
    """Hits, best first.

    Attributes:
        hits: at most as many as were asked for.
        next: where the next page begins; None on the last one.
        applied: the number of the last write that the index had seen.
        changed: whether records were written since the page before.
        composed: ``composer`` or ``sum``: what made one query of several examples, where an
            explanation was asked for.
    """

    hits: list[Hit]
    next: str | None
    applied: int
    changed: bool
    composed: How | None = None
