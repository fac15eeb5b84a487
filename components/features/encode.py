"""Fills a features folder from accepted records; contents in the feature cache are not encoded."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.core.files import read_json
from components.core.progress import Progress, silent
from components.data.manifest import Manifest
from components.data.media import Media
from components.data.reader import raws
from components.features.examine import Examiner, has_media
from components.features.modality import build_modalities
from components.features.rows import Rows
from components.features.spec import ModalitySpec
from components.features.store import RECORD_COLUMNS, FeaturesWriter
from components.features.target import build_target

_ROWS = 2048
"""Records in a batch; also the largest shard of the cache."""

Inputs = dict[str, tuple[NDArray[np.int64], Rows]]
"""View name to positions in a batch that have it, and their inputs ``(positions, *shape)``."""
Previews = dict[str, list[bytes | str | None]]
Contents = dict[str, NDArray[np.int64]]
"""Modality name to ``(batch,)`` numbers, equal where the raw content is equal; 0 where absent."""


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """The output of validate, read in batches of a fixed size.

    Attributes:
        manifest: what the columns mean.
        classes: sorted class names.
        count: number of records.
    """

    path: Path
    manifest: Manifest
    classes: list[str]
    count: int

    @classmethod
    def open(cls, path: Path) -> "Accepted":
        """Read the description; the records remain on disk."""
        description = read_json(path / "dataset.json")
        classes = description["classes"]
        assert isinstance(classes, list), classes
        return cls(
            path=path,
            manifest=Manifest.model_validate(description["manifest"]).accepted(),
            classes=[str(c) for c in classes],
            count=pq.ParquetFile(path / "records.parquet").metadata.num_rows,
        )

    def writer(
        self, out: Path, specs: Mapping[str, ModalitySpec], count: int, base: Path | None = None
    ) -> FeaturesWriter:
        """A writer that fills a features folder with ``count`` of these records."""
        kind = self.manifest.target.kind
        target = build_target(kind, self.classes, base)
        return FeaturesWriter(out, specs, count, target, kind, base)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The records in order."""
        yield from pq.ParquetFile(self.path / "records.parquet").iter_batches(_ROWS)

    def kept(self, batch: pa.RecordBatch | pa.Table) -> pa.Table:
        """The columns of a batch that a features folder keeps."""
        roles = (*RECORD_COLUMNS, "label", *(() if self.manifest.time is None else ("time",)))
        columns = [*roles, *(c for c in self.manifest.slices if c not in roles)]
        table = batch if isinstance(batch, pa.Table) else pa.Table.from_batches([batch])
        return table.select(columns)


class BatchEncoder:
    """Encodes batches of accepted records.

    Args:
        manifest: what the columns mean.
        options: options of each modality: its kind's, and its ``encoders``; a modality that is not
            named uses its defaults.
        data_uri: where the media are.
        cache: folder of the feature cache.
        base: folder that a user's own files are relative to.
        media: opens the media.

    Attributes:
        specs: modality name to its spec.
        fresh: view name to the number of records that were encoded, not taken from the cache.
    """

    def __init__(
        self,
        manifest: Manifest,
        options: Mapping[str, Mapping[str, Any]],
        data_uri: str,
        cache: Path,
        *,
        base: Path | None = None,
        media: Callable[[str], Media] = Media,
    ) -> None:
        built = build_modalities(manifest, options, base)
        self.specs = {name: modality.spec for name, modality in built.items()}
        self._manifest = manifest
        self._examiners = {name: Examiner(m, cache) for name, m in built.items()}
        self._media = media(data_uri) if has_media(built) else None

    @property
    def fresh(self) -> dict[str, int]:
        """View name to the number of records encoded so far, not taken from the cache."""
        return {v: n for e in self._examiners.values() for v, n in e.fresh.items()}

    def encode(
        self, batch: pa.RecordBatch | pa.Table, told: Callable[[float], object] = lambda _: None
    ) -> tuple[Inputs, Previews, Contents]:
        """Inputs, previews and numbers of the contents of a batch.

        Args:
            batch: the records.
            told: receives the share of the batch that is done, now and then.

        Raises:
            BadInput: a value that cannot be used, although it was accepted.
            UserError: missing media, or a cache that cannot be written.
        """
        raw = raws(batch, self._manifest, self._media)
        inputs: Inputs = {}
        previews: Previews = {}
        contents: Contents = {}
        for number, (name, examiner) in enumerate(self._examiners.items()):
            at = [row for row, value in enumerate(raw[name]) if value is not None]
            values = [value for value in raw[name] if value is not None]
            found = examiner.examine(values, told=partial(self._tell, told, number))
            for fault in found.faults.values():
                raise fault
            inputs |= {view: (np.array(at, dtype=np.int64), a) for view, a in found.inputs.items()}
            shown = dict(zip(at, found.previews, strict=True))
            previews[name] = [shown.get(row) for row in range(len(raw[name]))]
            contents[name] = np.zeros(len(raw[name]), np.int64)
            contents[name][at] = found.contents
        return inputs, previews, contents

    def _tell(self, told: Callable[[float], object], number: int, share: float) -> None:
        told((number + share) / len(self._examiners))


def encode(
    *,
    accepted: Path,
    data_uri: str,
    modalities: Mapping[str, Mapping[str, Any]],
    cache: Path,
    out: Path,
    base: Path | None = None,
    progress: Progress = silent,
) -> dict[str, int]:
    """Encode accepted records, except for contents in the cache.

    Args:
        accepted: output of validate.
        data_uri: where the media are.
        modalities: options of each modality: its kind's, and its ``encoders``.
        cache: folder of the feature cache.
        out: an empty folder; takes ``records.parquet``, ``<modality>/<encoder>.npy``,
            ``present.npy``, ``contents.npy``, ``labels.npy``, ``previews.parquet`` and
            ``features.json``.
        base: folder that a user's own files are relative to.
        progress: called after every batch, and within a batch that takes long.

    Returns:
        View name to the number of records that were encoded, not taken from the cache.

    Raises:
        UserError: a wrong option, missing media, or a cache that cannot be written.
    """
    records = Accepted.open(accepted)
    encoder = BatchEncoder(records.manifest, modalities, data_uri, cache, base=base)
    writer = records.writer(out, encoder.specs, records.count, base)
    done = 0
    for batch in records.batches():
        told = partial(_within, progress, done, len(batch), records.count)
        writer.add(records.kept(batch), *encoder.encode(batch, told))
        done += len(batch)
        progress("encode", done, records.count)
    writer.close()
    return encoder.fresh


def _within(progress: Progress, done: int, rows: int, count: int, share: float) -> None:
    """Report progress within a batch of ``rows``, of which a share is done."""
    progress("encode", done + int(share * rows), count)
