"""Samples of a data set: small data sets, complete in themselves, on which the real steps run."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.config.run import DataConfig
from components.core.errors import BadInput, UserError
from components.core.values import is_empty, texts
from components.core.yaml_file import written_yaml
from components.data.labels import Label, each_class, given_labels, visible_ids
from components.data.manifest import FILE, Manifest
from components.data.media import Media
from components.data.packed import PackedMedia
from components.data.reader import Dataset
from components.validation.roles import splits_of, visible_labels

MOST_RECORDS = 200_000
"""Samples are drawn from at most this many records, the first ones."""
_HELD_OUT = 4
"""Labelled records of the validation and of the test split that are always in."""


@dataclass(frozen=True, kw_only=True)
class Survey:
    """The records that samples are drawn from; ``n`` is their number, the order is the data set's.

    Attributes:
        manifest: what the data set's columns mean.
        records: all records of the set.
        splits: ``(n,)``.
        labels: as a run may see them ``(n,)``, empty where it may not or there is none.
    """

    manifest: Manifest
    records: int
    splits: NDArray[np.str_]
    labels: NDArray[np.str_]

    @property
    def seen(self) -> int:
        """Records that samples are drawn from."""
        return len(self.splits)

    @property
    def learnable(self) -> NDArray[np.bool_]:
        """Training records with a visible label ``(n,)``."""
        found: NDArray[np.bool_] = (self.labels != "") & (self.splits == "train")
        return found


def survey(data: DataConfig, manifest: Manifest) -> Survey:
    """Read splits and visible labels of a data set; no media are opened.

    Raises:
        UserError: no records, or none with a label that a run may learn from.
    """
    dataset, seen = Dataset(data.uri, manifest), visible_ids(data.uri, data.labels, manifest.id)
    splits: list[str] = []
    labels: list[str] = []
    roles = (manifest.id, manifest.target.column, manifest.group, manifest.split.column)
    for batch in dataset.batches(columns=[*dict.fromkeys(r for r in roles if r is not None)]):
        ids = texts(batch.column(manifest.id).to_pylist())
        given = given_labels(batch, manifest.target)
        own = splits_of(batch, manifest)
        labels += [_told(label) for label in visible_labels(given, own, ids, seen)]
        splits += [split or "" for split in own]
        if len(splits) >= MOST_RECORDS:
            break
    found = Survey(
        manifest=manifest,
        records=dataset.rows,
        splits=np.array(splits, dtype=np.str_),
        labels=np.array(labels, dtype=np.str_),
    )
    if not found.learnable.any() and manifest.target.column is not None:
        raise UserError(
            f"{data.uri}: no training record has a visible label in column "
            f"{manifest.target.column!r}; a run could not start"
        )
    return found


def _told(label: Label | None) -> str:
    """A label as one text, empty without one; records with equal sets have equal texts."""
    if isinstance(label, list):
        return repr(sorted(each_class(label)))
    return label or ""


def choose(surveyed: Survey, count: int, seed: int = 0) -> NDArray[np.int64]:
    """Row numbers of ``count`` records, in order.

    Splits and labels have the shares that they have in the data set, to within one record of each.
    Added to that are one visible training label of each class that would be absent, as far as half
    the places suffice, and a few labelled records of the other splits.
    """
    order = np.random.default_rng(seed).permutation(surveyed.seen)
    labels, splits = surveyed.labels, surveyed.splits
    alike = order[np.lexsort((labels[order], splits[order]))]
    even = alike[np.arange(count) * surveyed.seen // count]
    even = even[np.argsort(np.argsort(order)[even])]  # as shuffled, since the last may have to go
    learned = order[surveyed.learnable[order]]
    absent = learned[~np.isin(labels[learned], labels[even[surveyed.learnable[even]]])]
    _, first = np.unique(labels[absent], return_index=True)
    added = absent[np.sort(first)][: max(2, count // 2)]
    known = order[np.isin(labels[order], [*set(labels[learned])])]
    held_out = [known[splits[known] == split][:_HELD_OUT] for split in ("val", "test")]
    wanted = np.concatenate([added, *held_out, even])
    _, at = np.unique(wanted, return_index=True)
    return np.sort(wanted[np.sort(at)][:count])


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A data set on the local disk.

    Attributes:
        data: where it is; every label in it may be seen.
        records: how many.
        record_bytes: of ``records.parquet``.
        media_bytes: of the media that records name by path.
    """

    data: DataConfig
    records: int
    record_bytes: int
    media_bytes: int


def write(data: DataConfig, surveyed: Survey, count: int, folder: Path) -> Sample:
    """Write ``count`` records of a data set, with their media, into a new folder.

    Labels that a run may not see are not written, nor are those of a class without a visible
    training label in the sample, since a run would refuse them.

    Raises:
        UserError: media cannot be read, or the sample has fewer than two classes.
    """
    manifest, rows = surveyed.manifest, choose(surveyed, count)
    table = _rows(Dataset(data.uri, manifest), rows)
    table, classes = _with_labels(table, surveyed, rows)
    if len(classes) < 2 and manifest.target.cells == "one":
        raise UserError(
            f"{data.uri}: a sample of {count} records has fewer than two classes with labels; "
            "label more records"
        )
    folder.mkdir(parents=True)
    pq.write_table(table, folder / "records.parquet")
    if manifest.target.classes is not None:
        target = manifest.target.model_copy(update={"classes": classes})
        manifest = manifest.model_copy(update={"target": target})
    (folder / FILE).write_text(written_yaml(manifest.resolved()), encoding="utf-8")
    return Sample(
        data=DataConfig(uri=str(folder)),
        records=count,
        record_bytes=(folder / "records.parquet").stat().st_size,
        media_bytes=_write_media(data, manifest, table, folder / "media"),
    )


def _with_labels(
    table: pa.Table, surveyed: Survey, rows: NDArray[np.int64]
) -> tuple[pa.Table, list[str]]:
    """The records with the labels that a run may see and learn, and the classes of these."""
    target = surveyed.manifest.target
    if target.column is None:
        return table, []
    labels = surveyed.labels[rows]
    learned = surveyed.learnable[rows]
    known = np.isin(labels, labels[learned]) & (labels != "")
    given = given_labels(table, target)
    classes = sorted({c for row in np.flatnonzero(learned) for c in each_class(given[row])})
    place = table.schema.get_field_index(target.column)
    if target.cells == "one":
        cells, kind = given, pa.string()
    else:
        cells, kind = table[place].to_pylist(), table.schema.field(place).type
    kept = [cell if yes else None for cell, yes in zip(cells, known.tolist(), strict=True)]
    return table.set_column(place, target.column, pa.array(kept, kind)), classes


def _rows(dataset: Dataset, rows: NDArray[np.int64]) -> pa.Table:
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


def _write_media(data: DataConfig, manifest: Manifest, table: pa.Table, folder: Path) -> int:
    """Pack the media that the sample names by path; returns their bytes.

    A run quarantines records whose media cannot be read, and so does a run on the sample.
    """
    total = 0
    done: set[str] = set()
    with PackedMedia(folder, "sample") as packed:
        for name in manifest.media:
            column = table[str(manifest.modalities[name].column)].to_pylist()
            paths = [v for v in dict.fromkeys(column) if isinstance(v, str) and not is_empty(v)]
            new = [path for path in paths if path not in done]
            contents = Media(data.uri).fetch(new, f"modality {name!r}") if new else []
            for path, found in zip(new, contents, strict=True):
                if found is not None and not isinstance(found, BadInput):
                    packed.add(path, found)
                    total += len(found)
            done.update(new)
    return total
