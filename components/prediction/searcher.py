"""The records of a package: found by vectors, and shown by small previews."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.core.errors import BadInput, one_of
from components.core.names import FUSED
from components.parts.filters import In
from components.prediction.format import INDEX, PRESENT, PREVIEW_ROWS, PREVIEWS, RECORDS
from components.prediction.indexes import LABEL, open_indexes

Vector = NDArray[np.float32]

_RANK_OFFSET = 60
"""Source: Cormack et al. 2009, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank
Learning Methods"."""
_JOINED = 1000
"""Ranks that are joined; a record further down in every list cannot reach the top."""


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A record that was found.

    Attributes:
        id: id of the record.
        score: cosine with the query; for a query of several vectors, the sum of reciprocal ranks.
        label: label of the record, if known: a class, or a list of classes.
        predicted: the model's own answer, a class or a list; None without a classifier.
        modalities: the record's modalities.
    """

    id: str
    score: float
    label: str | list[str] | None
    predicted: str | list[str] | None
    modalities: tuple[str, ...]


class Searcher:
    """The searchable records of one package; may be used from several threads.

    Args:
        package: its folder.
        names: sorted modality names.
        classes: the classes that a filter may name.
    """

    def __init__(self, package: Path, names: Sequence[str], classes: Sequence[str]) -> None:
        self._folder, self._names, self._classes = package / INDEX, list(names), list(classes)
        # `read_table` would import pandas, where it is installed.
        table = pq.ParquetFile(self._folder / RECORDS).read()
        self._ids: list[str] = table["id"].to_pylist()
        self._row_of = {record: row for row, record in enumerate(self._ids)}
        self._labels: list[str | list[str] | None] = table["label"].to_pylist()
        self._predicted: list[str | list[str] | None] = table["predicted"].to_pylist()
        self._present: NDArray[np.bool_] = np.load(self._folder / PRESENT)
        self._indexes = open_indexes(
            self._folder, self._names, self._ids, self._labels, self._present
        )

    def __len__(self) -> int:
        """Number of records."""
        return len(self._ids)

    def check(self, target: str, k: int, labels: Sequence[str] | None) -> None:
        """Check what a search asks for.

        Raises:
            BadInput: an unknown target or label, or fewer than one hit.
        """
        if target not in self._indexes:
            raise BadInput("target", repr(target), one_of(target, self._indexes))
        if k < 1:
            raise BadInput("k", str(k), "at least 1")
        for label in labels or ():
            if label not in self._classes:
                raise BadInput("labels", repr(label), one_of(label, self._classes))

    def search(
        self,
        vectors: Mapping[str, Vector],
        *,
        target: str = FUSED,
        k: int = 10,
        labels: Sequence[str] | None = None,
    ) -> list[Hit]:
        """Find the records nearest to a query, best first.

        Args:
            vectors: one or more unit vectors ``(dim,)`` by name; each of several searches by
                itself, and the rankings are joined by reciprocal rank, ``sum 1 / (60 + rank)``.
            target: what is searched: the vectors of a modality, or ``fused``.
            k: hits wanted.
            labels: only records with one of these known labels.

        Raises:
            BadInput: an unknown target or label, or fewer than one hit.
        """
        self.check(target, k, labels)
        where = None if labels is None else In(LABEL, tuple(labels))
        index = self._indexes[target]
        if len(vectors) == 1:
            (vector,) = vectors.values()
            (found,) = index.search(vector[None], k, where)
            return [self._hit(i, s) for i, s in zip(found.ids, found.scores.tolist(), strict=True)]
        joined: dict[str, float] = {}
        for name in sorted(vectors):
            (found,) = index.search(vectors[name][None], max(_JOINED, k), where)
            for rank, record in enumerate(found.ids, start=1):
                joined[record] = joined.get(record, 0.0) + 1.0 / (_RANK_OFFSET + rank)
        best = sorted(joined.items(), key=lambda item: (-item[1], item[0]))[:k]
        return [self._hit(record, score) for record, score in best]

    def preview(self, record: str, modality: str) -> bytes | str | None:
        """The small form of one modality of a record; None if the record or modality is unknown.

        A picture is bytes, a text is itself, fields are JSON.
        """
        row = self._row_of.get(record)
        if row is None or modality not in self._names:
            return None
        file = pq.ParquetFile(self._folder / PREVIEWS)
        group = file.read_row_group(row // PREVIEW_ROWS, columns=[modality])
        value: bytes | str | None = group[modality][row % PREVIEW_ROWS].as_py()
        return value

    def _hit(self, record: str, score: float) -> Hit:
        row = self._row_of[record]
        has = zip(self._names, self._present[row], strict=True)
        return Hit(
            id=record,
            score=score,
            label=self._labels[row],
            predicted=self._predicted[row],
            modalities=tuple(name for name, present in has if present),
        )
