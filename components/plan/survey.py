"""What a data set is made of: how many records, which of them are labelled, what they lack. No media are opened."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from components.config.run import DataConfig
from components.core.errors import UserError
from components.data.labels import visible_ids
from components.data.manifest import Manifest, Modality, load_manifest
from components.data.reader import Dataset
from components.validation import rules

MOST_RECORDS = 200_000
"""At most this many records (the first ones) are looked at."""
MOST_BYTES = 512 << 20
"""Nor more than this in memory's form: a data set may hold its pictures in the records themselves."""


@dataclass(frozen=True, kw_only=True)
class Survey:
    """A data set in numbers; ``n`` records were looked at, in data set order.

    Attributes:
        records: all records of the set.
        names: sorted modality names.
        classes: sorted names of the classes that a run would learn.
        splits: split of each record ``(n,)``.
        labels: its label as a run may see it ``(n,)``, empty where it may not or there is none.
        present: ``(n, modalities)``.
        id_length: mean length of an id.
        group_length: mean length of a group.
        media_by_path: whether records name media by path, so that those are not among the records' own bytes.
    """

    records: int
    names: tuple[str, ...]
    classes: tuple[str, ...]
    splits: NDArray[np.str_]
    labels: NDArray[np.str_]
    present: NDArray[np.bool_]
    id_length: float
    group_length: float
    media_by_path: bool

    @property
    def seen(self) -> int:
        """Records looked at."""
        return len(self.splits)

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Records whose label a run may see ``(n,)``."""
        known: NDArray[np.bool_] = self.labels != ""
        return known

    def share(self, rows: NDArray[np.bool_]) -> float:
        """Share of the records that are marked."""
        return float(np.count_nonzero(rows)) / self.seen

    def learnable(self, names: tuple[str, ...], *, labelled: bool) -> float:
        """Share of all records that a model of these modalities can learn from, with or without a visible label."""
        usable = self.present[:, [self.names.index(name) for name in names]].any(axis=1) & (
            self.splits == "train"
        )
        return self.share(usable & (self.labelled == labelled))

    def split(self, name: str) -> float:
        """Share of a split."""
        return self.share(self.splits == name)


def survey(data: DataConfig) -> Survey:
    """Look at the records of a data set, without its media.

    Raises:
        UserError: no records, or none with a label that a run may learn from.
    """
    manifest = load_manifest(data.uri, data.manifest)
    dataset = Dataset(data.uri, manifest)
    seen = visible_ids(data.uri, data.labels, manifest.id)
    found = _Found()
    for batch in dataset.batches(columns=manifest.used):
        found.add(batch, manifest, seen)
        if found.records >= MOST_RECORDS or found.bytes >= MOST_BYTES:
            break
    if not found.records:
        raise UserError(
            f"{data.uri}: the records are empty; nothing can be planned without a few of each class"
        )
    splits = np.array(found.splits, dtype=np.str_)
    labels = np.array([c or "" for c in found.labels], dtype=np.str_)
    if not ((labels != "") & (splits == "train")).any():
        raise UserError(
            f"{data.uri}: no training record has a visible label in column {manifest.target.column!r}; a run could not start"
        )
    return Survey(
        records=dataset.rows,
        names=tuple(sorted(manifest.modalities)),
        classes=tuple(
            sorted(manifest.target.classes or {c for c in found.labels if c is not None})
        ),
        splits=splits,
        labels=labels,
        present=np.concatenate(found.present),
        id_length=found.lengths["id"] / found.records,
        group_length=found.lengths["group"] / found.records,
        media_by_path=any(
            m.raw == "bytes" and _is_text(dataset.schema.field(str(m.column)).type)
            for m in manifest.modalities.values()
        ),
    )


class _Found:
    """What batches have shown so far."""

    def __init__(self) -> None:
        self.splits: list[str] = []
        self.labels: list[str | None] = []
        self.present: list[NDArray[np.bool_]] = []
        self.lengths: Counter[str] = Counter()
        self.bytes = 0

    @property
    def records(self) -> int:
        return len(self.splits)

    def add(self, batch: pa.RecordBatch, manifest: Manifest, seen: frozenset[str] | None) -> None:
        ids = rules.texts(batch.column(manifest.id).to_pylist())
        splits = rules.splits_of(batch, manifest)
        given = rules.texts(batch.column(manifest.target.column).to_pylist())
        groups = rules.texts(batch.column(manifest.group or manifest.id).to_pylist())
        self.labels += rules.visible_labels(given, splits, ids, seen)
        self.splits += [s or "" for s in splits]
        self.present.append(present(batch, manifest))
        self.lengths.update(
            {"id": sum(len(i or "") for i in ids), "group": sum(len(g or "") for g in groups)}
        )
        self.bytes += batch.nbytes


def present(batch: pa.RecordBatch | pa.Table, manifest: Manifest) -> NDArray[np.bool_]:
    """Which modalities each record claims to have ``(n, modalities)``; a path that leads nowhere counts as there."""
    columns = [_present(batch, manifest.modalities[name]) for name in sorted(manifest.modalities)]
    return np.stack(columns, axis=1)


def _present(batch: pa.RecordBatch | pa.Table, modality: Modality) -> NDArray[np.bool_]:
    if modality.columns:
        cells = [
            np.ones(batch.num_rows, dtype=bool)
            if spec.default_cell is not None
            else _given(batch.column(name))
            for name, spec in modality.columns.items()
        ]
        some: NDArray[np.bool_] = np.any(np.stack(cells), axis=0)
        return some
    column = batch.column(str(modality.column))
    there = _given(column)
    if _is_text(column.type):
        said = column if modality.raw == "bytes" else pc.utf8_trim_whitespace(column)
        there &= np.asarray(pc.fill_null(pc.greater(pc.utf8_length(said), 0), False))
    return there


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _given(column: pa.Array | pa.ChunkedArray) -> NDArray[np.bool_]:
    given: NDArray[np.bool_] = np.asarray(
        pc.invert(pc.is_null(column, nan_is_null=True)), dtype=bool
    )
    return given
