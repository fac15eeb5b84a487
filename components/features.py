"""Cached inputs of every record: one memory-mapped array per modality, read by training, evaluation and packaging."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components import parts
from components.contracts import Modality, Raw
from components.data.manifest import MEDIA, Manifest
from components.data.media import Media
from components.data.reader import raws
from components.errors import UsageError, UserError, unknown_name
from components.feature_cache import FeatureCache, content_key
from components.progress import Progress, silent
from components.refs import read_json, write_json

_ROWS = 2048
"""Records in a batch; also the largest shard of the cache."""
RECORD_COLUMNS = ("id", "group", "split", "label")


@dataclass(frozen=True, kw_only=True)
class ModalitySpec:
    """What is needed to build a modality again, and to trust inputs that it made.

    ``options`` is the full Config of the kind, ``columns`` the manifest's description, ``digest`` that of ``Modality.digest``.
    """

    kind: str
    options: dict[str, Any]
    columns: dict[str, Any]
    digest: str
    shape: tuple[int, ...]
    dtype: str

    @classmethod
    def parse(cls, value: Mapping[str, Any]) -> "ModalitySpec":
        """From the JSON form."""
        return cls(**{**value, "shape": tuple(value["shape"])})

    def to_json(self) -> dict[str, Any]:
        """The JSON form."""
        return {**asdict(self), "shape": list(self.shape)}

    def build(self, name: str) -> Modality:
        """The modality itself.

        Raises:
            UserError: the kind now decodes differently than when these inputs were made.
        """
        modality = build_modality(name, self.kind, self.options, self.columns)
        if modality.digest() != self.digest:
            raise UserError(
                f"modality {name!r} ({self.kind}): its inputs were made with another version of the decoder or of its frozen "
                f"weights (digest {self.digest[:12]}, now {modality.digest()[:12]}); run the encode step again"
            )
        return modality


def build_modality(name: str, kind: str, options: Mapping[str, Any], columns: Mapping[str, Any]) -> Modality:
    """Build a modality of a kind from its options and the manifest's columns.

    Raises:
        UsageError: unknown kind or wrong options.
    """
    config = parts.configure("modality kind", kind, options)
    modality: Modality = parts.load("modality kind", kind).build(config, name=name, columns=dict(columns))
    return modality


def spec_of(modality: Modality, options: Mapping[str, Any], columns: Mapping[str, Any]) -> ModalitySpec:
    """Describe a built modality; ``options`` are completed with the defaults of its kind."""
    config = parts.configure("modality kind", modality.kind, options)
    return ModalitySpec(
        kind=modality.kind,
        options={k: list(v) if isinstance(v, tuple) else v for k, v in asdict(config).items()},
        columns=dict(columns),
        digest=modality.digest(),
        shape=tuple(modality.shape),
        dtype=np.dtype(modality.dtype).name,
    )


@dataclass(frozen=True, kw_only=True)
class Features:
    """The encoded data set of one run; ``n`` records in data set order, ``m`` modalities sorted by name.

    Attributes:
        path: the folder.
        ids: record ids.
        groups: group of each record.
        splits: ``train``, ``val`` or ``test`` of each record.
        labels: class number of each record, -1 where there is none or it is hidden.
        classes: sorted class names.
        names: sorted modality names.
        present: ``(n, m)`` bool.
        arrays: modality name to ``(n, *shape)``, memory-mapped; absent rows are zeros.
        specs: modality name to what builds it.
        target: kind of target.
    """

    path: Path
    ids: list[str]
    groups: list[str]
    splits: NDArray[np.str_]
    labels: NDArray[np.int64]
    classes: list[str]
    names: list[str]
    present: NDArray[np.bool_]
    arrays: dict[str, NDArray[Any]]
    specs: dict[str, ModalitySpec]
    target: str

    @classmethod
    def load(cls, path: Path) -> "Features":
        """Open a features folder without reading its arrays.

        Raises:
            UserError: not a complete features folder.
        """
        try:
            meta = read_json(path / "features.json")
            table = pq.read_table(path / "records.parquet", columns=list(RECORD_COLUMNS))
            specs = {name: ModalitySpec.parse(spec) for name, spec in _mapping(meta["modalities"]).items()}
            names = sorted(specs)
            arrays: dict[str, NDArray[Any]] = {name: np.load(path / f"{name}.npy", mmap_mode="r") for name in names}
            present = np.load(path / "present.npy")
        except (OSError, pa.ArrowInvalid, KeyError) as error:
            raise UserError(f"{path} is no complete features folder ({error}); run the encode step again") from error
        classes = [str(c) for c in _list(meta["classes"])]
        number = {c: i for i, c in enumerate(classes)}
        labels = [-1 if label is None else number[label] for label in table["label"].to_pylist()]
        return cls(
            path=path,
            ids=table["id"].to_pylist(),
            groups=table["group"].to_pylist(),
            splits=np.array(table["split"].to_pylist(), dtype=np.str_),
            labels=np.array(labels, dtype=np.int64),
            classes=classes,
            names=names,
            present=present,
            arrays=arrays,
            specs=specs,
            target=str(meta["target"]),
        )

    def modality(self, name: str) -> Modality:
        """Build the modality that made these inputs."""
        return self.specs[name].build(name)

    def rows(self, split: str | None = None, labelled: bool | None = None) -> NDArray[np.int64]:
        """Row numbers of a split (all by default), with or without a label (both by default)."""
        keep = np.ones(len(self.ids), dtype=bool)
        if split is not None:
            keep &= self.splits == split
        if labelled is not None:
            keep &= (self.labels >= 0) == labelled
        return np.flatnonzero(keep)

    def records(self) -> pa.Table:
        """``id``, ``group``, ``split``, ``label`` and the slice columns."""
        return pq.read_table(self.path / "records.parquet")

    def previews(self) -> pa.Table:
        """``id`` and one column per modality: a small form to show, null where absent."""
        return pq.read_table(self.path / "previews.parquet")


class FeaturesWriter:
    """Fills a features folder batch by batch; nothing is whole in memory.

    Args:
        out: an empty folder.
        modalities: what encodes, by name.
        specs: their descriptions.
        count: records to come.
    """

    def __init__(self, out: Path, modalities: Mapping[str, Modality], specs: Mapping[str, ModalitySpec], count: int) -> None:
        self._out, self._specs, self._names = out, dict(specs), sorted(specs)
        self._arrays = {
            name: np.lib.format.open_memmap(
                out / f"{name}.npy", mode="w+", dtype=modalities[name].dtype, shape=(count, *modalities[name].shape)
            )
            for name in self._names
        }
        self._present = np.zeros((count, len(self._names)), dtype=np.bool_)
        preview_types = {name: pa.binary() if specs[name].kind == "image" else pa.string() for name in self._names}
        self._preview_schema = pa.schema([("id", pa.string()), *preview_types.items()])
        self._previews = pq.ParquetWriter(out / "previews.parquet", self._preview_schema)
        self._records: pq.ParquetWriter | None = None
        self._row = 0

    def add(
        self,
        records: pa.Table,
        inputs: Mapping[str, tuple[NDArray[np.int64], NDArray[Any]]],
        previews: Mapping[str, list[bytes | str | None]],
    ) -> None:
        """Append a batch.

        Args:
            records: ``id``, ``group``, ``split``, ``label`` and slices of the batch.
            inputs: modality name to positions in the batch that have it, and their inputs ``(positions, *shape)``.
            previews: modality name to one preview for each record of the batch.
        """
        for column, name in enumerate(self._names):
            positions, values = inputs[name]
            if len(positions):
                self._arrays[name][self._row + positions] = values
                self._present[self._row + positions, column] = True
        columns = {
            "id": records["id"],
            **{name: pa.array(previews[name], self._preview_schema.field(name).type) for name in previews},
        }
        self._previews.write_table(pa.table(columns).select(self._preview_schema.names).cast(self._preview_schema))
        if self._records is None:
            self._records = pq.ParquetWriter(self._out / "records.parquet", records.schema)
        self._records.write_table(records)
        self._row += len(records)

    def close(self, classes: list[str], target: str = "single") -> None:
        """Finish all files."""
        assert self._row == len(self._present), (self._row, len(self._present))
        assert self._records is not None
        self._records.close()
        self._previews.close()
        for array in self._arrays.values():
            array.flush()
        np.save(self._out / "present.npy", self._present)
        modalities = {name: self._specs[name].to_json() for name in self._names}
        write_json(self._out / "features.json", {"modalities": modalities, "classes": classes, "target": target})


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
    description = read_json(accepted / "dataset.json")
    manifest = Manifest.model_validate(description["manifest"]).accepted()
    specs, built = _modalities(manifest, modalities)
    caches = {name: FeatureCache(cache, m.digest(), m.shape, m.dtype) for name, m in built.items()}
    fresh = dict.fromkeys(built, 0)
    file = pq.ParquetFile(accepted / "records.parquet")
    count = file.metadata.num_rows
    media = Media(data_uri) if any(m.kind in MEDIA for m in manifest.modalities.values()) else None
    columns = [*RECORD_COLUMNS, *(c for c in manifest.slices if c not in RECORD_COLUMNS)]
    writer = FeaturesWriter(out, built, specs, count)
    done = 0
    for batch in file.iter_batches(_ROWS):
        raw = raws(batch, manifest, media)
        inputs, previews = {}, {}
        for name, modality in built.items():
            at = [row for row, value in enumerate(raw[name]) if value is not None]
            values = [value for value in raw[name] if value is not None]
            found, new = _through_cache(caches[name], modality, values)
            fresh[name] += new
            inputs[name] = (np.array(at, dtype=np.int64), found)
            previews[name] = [None if value is None else modality.preview(value) for value in raw[name]]
        writer.add(pa.Table.from_batches([batch]).select(columns), inputs, previews)
        done += len(batch)
        progress("encode", done, count)
    writer.close([str(c) for c in _list(description["classes"])])
    return fresh


def _modalities(
    manifest: Manifest, options: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, ModalitySpec], dict[str, Modality]]:
    """Every modality of a manifest, with all its options.

    Raises:
        UsageError: options for a modality that the manifest lacks, or wrong ones; all at once.
    """
    problems = [
        f"modalities.{n}: {unknown_name('modality', n, manifest.modalities)}" for n in options if n not in manifest.modalities
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


def _through_cache(cache: FeatureCache, modality: Modality, values: list[Raw]) -> tuple[NDArray[Any], int]:
    keys = [content_key(modality.content(value)) for value in values]
    return cache.get(keys, lambda positions: modality.encode([values[at] for at in positions]))


def _mapping(value: object) -> dict[str, Any]:
    assert isinstance(value, dict), value
    return value


def _list(value: object) -> list[Any]:
    assert isinstance(value, list), value
    return value
