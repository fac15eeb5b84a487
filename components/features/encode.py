"""Fills a features folder from accepted records; content that the feature cache knows is not encoded again."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.core.errors import UsageError, UserError, unknown_name
from components.core.files import read_json
from components.core.progress import Progress, silent
from components.data.manifest import MEDIA, Manifest
from components.data.media import Media
from components.data.reader import raws
from components.features.cache import FeatureCache, content_key
from components.features.store import (
    RECORD_COLUMNS,
    FeaturesWriter,
    ModalitySpec,
    build_modality,
    spec_of,
)
from components.parts.contracts import Modality, Raw

_ROWS = 2048
"""Records in a batch; also the largest shard of the cache."""

Inputs = dict[str, tuple[NDArray[np.int64], NDArray[Any]]]
"""Modality name to positions in a batch that have it, and their inputs ``(positions, *shape)``."""
Previews = dict[str, list[bytes | str | None]]


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """The output of validate, read in batches of one size whoever encodes them.

    Attributes:
        manifest: what the columns mean.
        classes: sorted class names.
        count: records.
    """

    path: Path
    manifest: Manifest
    classes: list[str]
    count: int

    @classmethod
    def open(cls, path: Path) -> "Accepted":
        """Read the description; the records stay on disk."""
        description = read_json(path / "dataset.json")
        classes = description["classes"]
        assert isinstance(classes, list), classes
        return cls(
            path=path,
            manifest=Manifest.model_validate(description["manifest"]).accepted(),
            classes=[str(c) for c in classes],
            count=pq.ParquetFile(path / "records.parquet").metadata.num_rows,
        )

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The records in order."""
        yield from pq.ParquetFile(self.path / "records.parquet").iter_batches(_ROWS)

    def kept(self, batch: pa.RecordBatch | pa.Table) -> pa.Table:
        """The columns of a batch that a features folder keeps."""
        columns = [*RECORD_COLUMNS, *(c for c in self.manifest.slices if c not in RECORD_COLUMNS)]
        table = batch if isinstance(batch, pa.Table) else pa.Table.from_batches([batch])
        return table.select(columns)


class Encoder:
    """Encodes batches of accepted records.

    Args:
        manifest: what their columns mean.
        options: options of each modality's kind; one that is not named uses its defaults.
        data_uri: where the media lie.
        cache: folder of the feature cache.
        media: opens them.

    Attributes:
        specs: what was built, by modality name.
        fresh: modality name to how many records were encoded, not taken from the cache.
    """

    def __init__(
        self,
        manifest: Manifest,
        options: Mapping[str, Mapping[str, Any]],
        data_uri: str,
        cache: Path,
        media: Callable[[str], Media] = Media,
    ) -> None:
        self.specs, self.built = build_modalities(manifest, options)
        self.fresh = dict.fromkeys(self.built, 0)
        self._manifest = manifest
        self._caches = {
            name: FeatureCache(cache, m.digest(), m.shape, m.dtype)
            for name, m in self.built.items()
        }
        self._media = (
            media(data_uri) if any(m.kind in MEDIA for m in manifest.modalities.values()) else None
        )

    def encode(self, batch: pa.RecordBatch | pa.Table) -> tuple[Inputs, Previews]:
        """Inputs and previews of a batch.

        Raises:
            UserError: media that are gone, or a cache that cannot be written.
        """
        raw = raws(batch, self._manifest, self._media)
        inputs: Inputs = {}
        previews: Previews = {}
        for name, modality in self.built.items():
            at = [row for row, value in enumerate(raw[name]) if value is not None]
            values = [value for value in raw[name] if value is not None]
            found, new = _through_cache(self._caches[name], modality, values)
            self.fresh[name] += new
            inputs[name] = (np.array(at, dtype=np.int64), found)
            previews[name] = [
                None if value is None else modality.preview(value) for value in raw[name]
            ]
        return inputs, previews


def encode(
    *,
    accepted: Path,
    data_uri: str,
    modalities: Mapping[str, Mapping[str, Any]],
    cache: Path,
    out: Path,
    progress: Progress = silent,
) -> dict[str, int]:
    """Encode accepted records; content that the cache knows is not encoded again.

    Args:
        accepted: output of validate.
        data_uri: where the media lie.
        modalities: options of each modality's kind; one that is not named uses its defaults.
        cache: folder of the feature cache.
        out: an empty folder; takes ``records.parquet``, ``<modality>.npy``, ``present.npy``, ``previews.parquet`` and
            ``features.json``.
        progress: told after every batch.

    Returns:
        Modality name to how many records were encoded now, not taken from the cache.

    Raises:
        UserError: a wrong option, media that are gone, or a cache that cannot be written.
    """
    records = Accepted.open(accepted)
    encoder = Encoder(records.manifest, modalities, data_uri, cache)
    writer = FeaturesWriter(out, encoder.specs, records.count)
    done = 0
    for batch in records.batches():
        writer.add(records.kept(batch), *encoder.encode(batch))
        done += len(batch)
        progress("encode", done, records.count)
    writer.close(records.classes)
    return encoder.fresh


def build_modalities(
    manifest: Manifest, options: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, ModalitySpec], dict[str, Modality]]:
    """Every modality of a manifest, with all its options.

    Raises:
        UsageError: options for a modality that the manifest lacks, or wrong ones; all at once.
    """
    problems = [
        f"modalities.{n}: {unknown_name('modality', n, manifest.modalities)}"
        for n in options
        if n not in manifest.modalities
    ]
    specs, built = {}, {}
    for name, described in sorted(manifest.modalities.items()):
        columns = described.model_dump(mode="json", by_alias=True)
        try:
            built[name] = build_modality(name, described.kind, options.get(name, {}), columns)
        except UserError as error:
            problems += [f"modalities.{name}: {line}" for line in str(error).splitlines()]
        else:
            specs[name] = spec_of(built[name], options.get(name, {}), columns)
    if problems:
        raise UsageError("\n".join(problems))
    return specs, built


def _through_cache(
    cache: FeatureCache, modality: Modality, values: list[Raw]
) -> tuple[NDArray[Any], int]:
    keys = [content_key(modality.content(value)) for value in values]
    return cache.get(keys, lambda positions: modality.encode([values[at] for at in positions]))
