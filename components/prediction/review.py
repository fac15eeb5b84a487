"""Which records a person should look at: those that the model is least sure of, or split on.

Source: least confidence, Lewis & Gale 1994, "A sequential algorithm for training text classifiers";
disagreement of a committee, here of the modalities of one record, Seung et al. 1992, "Query by
committee".
"""

from collections.abc import Collection as Ids
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, islice

import numpy as np

from components.prediction.collection import Collection
from components.prediction.journal import Label
from components.prediction.made import Known


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """A record without a label, and why it is doubtful.

    Attributes:
        id: of the record.
        known: the model's prediction for it.
        disagreement: share of pairs of its modalities whose answers differ, in 0..1; of sets of
            classes, their mean Jaccard distance.
    """

    id: str
    known: Known
    disagreement: float

    @property
    def doubt(self) -> float:
        """In 0..1, ``1 - confidence * (1 - disagreement)``: large where either gives cause."""
        return doubt(self.known.confidence or 0.0, self.disagreement)


def doubt(confidence: float, split: float) -> float:
    """How doubtful an answer is, from its confidence and the disagreement of modalities.

    >>> [round(doubt(*pair), 2) for pair in ((1.0, 0.0), (0.5, 0.0), (0.9, 1.0))]
    [0.0, 0.5, 1.0]
    """
    return 1.0 - confidence * (1.0 - split)


def disagreement(votes: Mapping[str, Label]) -> float:
    """Share of pairs of modalities whose answers differ; of sets, their mean Jaccard distance.

    >>> disagreement({"image": "ring", "text": "ring", "facts": "box"})
    0.6666666666666666
    >>> disagreement({"image": ["a", "b"], "text": ["b"]})
    0.5
    """
    pairs = list(combinations(votes.values(), 2))
    return sum(_distance(a, b) for a, b in pairs) / len(pairs) if pairs else 0.0


def _distance(a: Label, b: Label) -> float:
    if isinstance(a, list) and isinstance(b, list):
        both = set(a) | set(b)
        return 1.0 - len(set(a) & set(b)) / len(both) if both else 0.0
    return float(a != b)


class Review:
    """The queue of one collection; may be used from several threads."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self._queue: list[tuple[float, str]] | None = None

    def first(self, k: int, without: Ids[str] = ()) -> list[Doubt]:
        """The most doubtful records without a label; equal ones are ordered by id.

        Args:
            k: how many.
            without: ids of records that somebody has labelled since.
        """
        written = self._collection.written()
        if self._queue is None:
            self._queue = self._of_package()
        found = [
            (-_of(record, known).doubt, record)
            for record, known in written.items()
            if known and known.label is None and known.confidence is not None
            if record not in without
        ]
        untouched = (
            item for item in self._queue if item[1] not in written and item[1] not in without
        )
        found += islice(untouched, k)
        chosen = [record for _, record in sorted(found)[:k]]
        doubts = ((record, self._collection.known(record)) for record in chosen)
        return [_of(record, known) for record, known in doubts if known]

    def _of_package(self) -> list[tuple[float, str]]:
        """The records of the package without a label, most doubtful first, by minus their doubt."""
        packaged = self._collection.packaged
        rows = np.flatnonzero(packaged.unlabelled & ~np.isnan(packaged.confidence)).tolist()
        return sorted((-_of("", packaged.known(row)).doubt, packaged.ids[row]) for row in rows)


def _of(record: str, known: Known) -> Doubt:
    return Doubt(id=record, known=known, disagreement=disagreement(known.votes))
