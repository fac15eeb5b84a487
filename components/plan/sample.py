"""A small data set cut out of a large one: complete in itself, so that the real steps run on it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from numpy.typing import NDArray

from components.config.run import DataConfig
from components.core.errors import BadInput, UserError
from components.data.manifest import FILE, Manifest, load_manifest
from components.data.media import Media
from components.data.reader import Dataset
from components.plan.survey import Survey

_GROUP_ROWS = 1000
"""Pictures in a row group of the packed media, as `components.glyphs.glyphs` writes them."""
_HELD_OUT = 4
"""Labelled records of the validation and of the test split that are always in."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A data set on the local disk.

    Attributes:
        data: where it is; every label in it may be seen.
        records: how many.
        media_bytes: of all its media.
        record_bytes: of ``records.parquet``.
    """

    data: DataConfig
    records: int
    media_bytes: int
    record_bytes: int


def choose(surveyed: Survey, count: int, seed: int = 0) -> NDArray[np.int64]:
    """Row numbers of ``count`` records, in order.

    One visible training label of each class as far as half the places go, a few labelled held-out records, and the rest drawn
    evenly.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(surveyed.seen)
    labelled = order[surveyed.labelled[order]]
    learned = _one_each(surveyed, labelled[surveyed.splits[labelled] == "train"])[
        : max(2, count // 2)
    ]
    known = labelled[np.isin(surveyed.labels[labelled], surveyed.labels[learned])]
    held_out = [known[surveyed.splits[known] == split][:_HELD_OUT] for split in ("val", "test")]
    wanted = np.concatenate([learned, *held_out, order])
    _, at = np.unique(wanted, return_index=True)
    return np.sort(wanted[np.sort(at)][:count])


def _one_each(surveyed: Survey, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    _, first = np.unique(surveyed.labels[rows], return_index=True)
    return rows[np.sort(first)]


def write(data: DataConfig, surveyed: Survey, count: int, folder: Path, seed: int = 0) -> Sample:
    """Write ``count`` records of a data set, with their media, into a new folder.

    Labels that a run may not see are not written. A label whose class has no visible training label in the sample is left out,
    since a run would refuse the set.

    Raises:
        UserError: a medium is gone, or the set is too small for a sample that has what a run needs.
    """
    manifest = load_manifest(data.uri, data.manifest)
    rows = choose(surveyed, count, seed)
    table = _records(Dataset(data.uri, manifest), rows)
    labels = _labels(surveyed, rows)
    if len({c for c in labels if c is not None}) < 2:
        raise UserError(
            f"{data.uri}: a sample of {count} records has fewer than two classes with labels; label more records"
        )
    place = table.schema.get_field_index(manifest.target.column)
    table = table.set_column(place, manifest.target.column, pa.array(labels, pa.string()))
    folder.mkdir(parents=True)
    pq.write_table(table, folder / "records.parquet")
    if manifest.target.classes is not None:
        known = sorted({c for c in labels if c is not None})
        manifest = manifest.model_copy(
            update={"target": manifest.target.model_copy(update={"classes": known})}
        )
    (folder / FILE).write_text(
        yaml.safe_dump(manifest.resolved(), sort_keys=False, allow_unicode=True), encoding="utf-8"
    )
    media = _write_media(data, manifest, table, folder)
    return Sample(
        data=DataConfig(uri=str(folder)),
        records=len(table),
        media_bytes=media,
        record_bytes=(folder / "records.parquet").stat().st_size,
    )


def _records(dataset: Dataset, rows: NDArray[np.int64]) -> pa.Table:
    """Some rows of a data set, read in one pass that ends with the last of them."""
    taken, first = [], 0
    for batch in dataset.batches():
        here = rows[(rows >= first) & (rows < first + batch.num_rows)] - first
        if len(here):
            taken.append(pa.Table.from_batches([batch]).take(pa.array(here)))
        first += batch.num_rows
        if first > rows[-1]:
            break
    return pa.concat_tables(taken, promote_options="permissive").combine_chunks()


def _labels(surveyed: Survey, rows: NDArray[np.int64]) -> list[str | None]:
    labels = [
        str(c) if seen else None
        for c, seen in zip(surveyed.labels[rows], surveyed.labelled[rows], strict=True)
    ]
    learned = {
        c for c, split in zip(labels, surveyed.splits[rows], strict=True) if split == "train"
    }
    return [c if c in learned else None for c in labels]


def _write_media(data: DataConfig, manifest: Manifest, table: pa.Table, folder: Path) -> int:
    """Pack the media that the sample names by path; returns the bytes of all its media."""
    (folder / "media").mkdir()
    source, total = None, 0
    packed: dict[str, bytes] = {}
    for name, column in _media_columns(manifest):
        values = table[column].to_pylist()
        total += sum(len(v) for v in values if isinstance(v, bytes))
        paths = [v for v in values if isinstance(v, str) and v]
        if not paths:
            continue
        source = source or Media(data.uri)
        for path, found in zip(paths, source.fetch(paths, f"modality {name!r}"), strict=True):
            if isinstance(found, BadInput):
                continue  # the run would put this record aside, and so does the sample's
            assert found is not None, path
            packed[path] = found
    if packed:
        schema = pa.schema([("path", pa.string()), ("bytes", pa.binary())])
        files = pa.table({"path": list(packed), "bytes": list(packed.values())}, schema=schema)
        to = folder / "media" / "sample-000.parquet"
        pq.write_table(
            files, to, row_group_size=_GROUP_ROWS, compression="none", use_dictionary=False
        )
    return total + sum(len(v) for v in packed.values())


def _media_columns(manifest: Manifest) -> Iterator[tuple[str, str]]:
    for name, modality in sorted(manifest.modalities.items()):
        if modality.raw == "bytes":
            yield name, str(modality.column)
