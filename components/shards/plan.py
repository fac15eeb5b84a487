"""From a task over a data set to the spec of its parts, whose digest is known before the cut."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from components.core.files import read_json
from components.core.progress import Progress, silent
from components.core.refs import Ref
from components.data.manifest import Manifest
from components.data.media import Media
from components.data.reader import ROWS, Dataset
from components.exchange.exchange import Exchange
from components.features.encode import Accepted
from components.features.modality import build_modalities
from components.features.spec import carry_own
from components.parts import loading
from components.parts.own import OWN
from components.prediction.batch import opened, read_columns, usable
from components.shards.cut import cut, media_in_store
from components.shards.spec import CHUNK, ShardSpec, bounds, work_digest


class Plan(Protocol):
    """A task that can be cut into parts."""

    @property
    def task(self) -> Literal["encode", "predict"]:
        """The task of the spec."""
        ...

    @property
    def rows(self) -> int:
        """Rows of the data set."""
        ...

    @property
    def count(self) -> int:
        """Number of parts: at most as many as were asked for."""
        ...

    def digest(self) -> str:
        """``ShardSpec.digest`` of the spec that ``cut`` returns."""
        ...

    def code(self) -> frozenset[str]:
        """SHA-256 of each file of a user's own code that comes back with the parts."""
        ...

    def cut(self, exchange: Exchange, scratch: Path, progress: Progress = silent) -> ShardSpec:
        """Put the parts and what they need into the exchange."""
        ...


@dataclass(frozen=True, kw_only=True)
class EncodePlan:
    """Encode accepted records.

    Attributes:
        accepted: output of validate.
        data: the data set, where the media lie.
        step: digest of the key of the step that encodes; parts made for another key are not used.
        modalities: options of each modality: its kind's, and its ``encoders``.
        base: folder that a user's own files are relative to.
        shards: parts wanted.
        chunk: rows that are written at once.
    """

    accepted: Ref
    data: Ref
    step: str = ""
    modalities: dict[str, dict[str, Any]] = field(default_factory=dict)
    base: Path | None = None
    shards: int
    chunk: int = CHUNK
    task: Literal["encode"] = "encode"

    @property
    def rows(self) -> int:
        """Accepted records."""
        return Accepted.open(self.accepted.path).count

    @property
    def count(self) -> int:
        """Number of parts: at most as many as were asked for."""
        return len(bounds(self.rows, self.shards, self.chunk))

    def digest(self) -> str:
        """``ShardSpec.digest`` of the spec that ``cut`` returns."""
        options = {"modalities": self.modalities, "package": None}
        return work_digest(
            task=self.task,
            source=self._source,
            rows=self.rows,
            count=self.count,
            chunk=self.chunk,
            options=options,
        )

    def cut(self, exchange: Exchange, scratch: Path, progress: Progress = silent) -> ShardSpec:
        """Put the parts and what they need into the exchange."""
        records = Accepted.open(self.accepted.path)
        built = build_modalities(records.manifest, self.modalities, self.base)

        def carry(folder: Path) -> None:
            carry_own((modality.spec for modality in built.values()), folder)
            target = ("targets", records.manifest.target.kind)
            loading.carry([target], self.base, folder / OWN)

        store = media_in_store(self.data.uri, exchange.uri)
        parts = cut(
            batches=records.batches(),
            description=read_json(self.accepted.path / "dataset.json"),
            manifest=records.manifest,
            media=_packed(self.data.uri, store, records.manifest),
            bounds=bounds(records.count, self.shards, self.chunk),
            exchange=exchange,
            scratch=scratch,
            progress=progress,
            carry=carry,
        )
        return ShardSpec(
            task=self.task,
            source=self._source,
            rows=records.count,
            parts=parts,
            chunk=self.chunk,
            media=store,
            modalities=self.modalities,
        )

    def code(self) -> frozenset[str]:
        """SHA-256 of each of the user's own kinds, encoders and targets."""
        manifest = Accepted.open(self.accepted.path).manifest
        built = build_modalities(manifest, self.modalities, self.base)
        chosen = [part for modality in built.values() for part in modality.spec.chosen]
        return loading.code_digests([*chosen, ("targets", manifest.target.kind)], self.base)

    @property
    def _source(self) -> dict[str, str]:
        return {"accepted": self.accepted.digest, "data": self.data.digest, "step": self.step}


@dataclass(frozen=True, kw_only=True)
class PredictPlan:
    """Answer all records of a data set with a model.

    Attributes:
        package: the model package.
        kinds: name of each of the model's modalities to its kind.
        data: the data set; its digest covers the manifest.
        manifest: what its columns mean.
        shards: parts wanted.
        chunk: rows that are written at once.
    """

    package: Ref
    kinds: dict[str, str]
    data: Ref
    manifest: Manifest
    shards: int
    chunk: int = CHUNK
    task: Literal["predict"] = "predict"

    @property
    def rows(self) -> int:
        """Records of the data set."""
        return self._dataset().rows

    @property
    def count(self) -> int:
        """Number of parts: at most as many as were asked for."""
        return len(bounds(self.rows, self.shards, self.chunk))

    def digest(self) -> str:
        """``ShardSpec.digest`` of the spec that ``cut`` returns."""
        rows = self.rows
        options = {"modalities": {}, "package": self.package.digest}
        count = len(bounds(rows, self.shards, self.chunk))
        return work_digest(
            task=self.task,
            source=self._source,
            rows=rows,
            count=count,
            chunk=self.chunk,
            options=options,
        )

    def cut(self, exchange: Exchange, scratch: Path, progress: Progress = silent) -> ShardSpec:
        """Put the parts, and the model package, into the exchange."""
        dataset = self._dataset()
        store = media_in_store(self.data.uri, exchange.uri)
        exchange.put(self.package.path, self.package.digest)
        parts = cut(
            batches=dataset.batches(ROWS, read_columns(dataset.manifest)),
            description={"manifest": dataset.manifest.resolved()},
            manifest=dataset.manifest,
            media=_packed(self.data.uri, store, dataset.manifest),
            bounds=bounds(dataset.rows, self.shards, self.chunk),
            exchange=exchange,
            scratch=scratch,
            progress=progress,
        )
        return ShardSpec(
            task=self.task,
            source=self._source,
            rows=dataset.rows,
            parts=parts,
            chunk=self.chunk,
            media=store,
            package=self.package.digest,
        )

    def code(self) -> frozenset[str]:
        """Answers come without code."""
        return frozenset()

    def _dataset(self) -> Dataset:
        manifest = usable(self.manifest, self.kinds)
        return opened(self.data.uri, manifest)

    @property
    def _source(self) -> dict[str, str]:
        return {"data": self.data.digest}


def _packed(data_uri: str, store: str | None, manifest: Manifest) -> Media | None:
    """The media that go into the parts."""
    needed = store is None and bool(manifest.media)
    return Media(data_uri) if needed else None
