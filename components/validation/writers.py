"""The files of accepted and quarantined records."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.data.labels import each_class
from components.data.manifest import RESERVED, Manifest
from components.validation.examine import Chunk


class Writers:
    """Open while the set is read; each record is written once, to one of the files."""

    def __init__(self, out: Path, schema: pa.Schema, manifest: Manifest) -> None:
        self._kept = [
            c
            for c in dict.fromkeys(manifest.feature_columns + manifest.slices)
            if c not in RESERVED and (c != "time" or manifest.time is None)
        ]
        self._timed = manifest.time is not None
        sets = manifest.target.cells == "set"
        self._types = {n: pa.string() for n in RESERVED}
        self._types["label"] = pa.list_(pa.string()) if sets else pa.string()
        if self._timed:
            self._types["time"] = pa.float64()
        self._accepted = pa.schema([*self._types.items(), *(schema.field(c) for c in self._kept)])
        self._originals = [n for n in schema.names if n != manifest.id]
        named = [
            n if n not in ("row", "id", "reasons") else f"original {n}" for n in self._originals
        ]
        head = [("row", pa.int64()), ("id", pa.string()), ("reasons", pa.list_(pa.string()))]
        originals = [
            schema.field(n).with_name(m) for n, m in zip(self._originals, named, strict=True)
        ]
        self._quarantined = pa.schema([*head, *originals])
        (out / "quarantine").mkdir()
        self._to = (out / "records.parquet", out / "quarantine" / "records.parquet")

    def __enter__(self) -> "Writers":
        self._files = [
            pq.ParquetWriter(p, s)
            for p, s in zip(self._to, (self._accepted, self._quarantined), strict=True)
        ]
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            file.close()

    def accept(self, chunk: Chunk, rows: list[int]) -> None:
        """Write accepted rows: the roles under their fixed names, then features and slices."""
        labels = [v if v is None or isinstance(v, str) else each_class(v) for v in chunk.labels]
        roles: list[Sequence[Any]] = [chunk.ids, chunk.groups, chunk.splits, labels]
        roles += [chunk.times] if self._timed else []
        arrays = [
            pa.array([values[r] for r in rows], kind)
            for values, kind in zip(roles, self._types.values(), strict=True)
        ]
        taken = chunk.table.select(self._kept).take(pa.array(rows, pa.int64()))
        self._files[0].write_table(pa.table([*arrays, *taken.columns], schema=self._accepted))

    def quarantine(self, chunk: Chunk, rows: list[int], reasons: list[list[str]]) -> None:
        """Write quarantined rows with their number, id and reasons."""
        numbers = pa.array([chunk.first + r for r in rows], pa.int64())
        ids = pa.array([chunk.ids[r] for r in rows], pa.string())
        taken = chunk.table.select(self._originals).take(pa.array(rows, pa.int64()))
        said = pa.array(reasons, pa.list_(pa.string()))
        self._files[1].write_table(
            pa.table([numbers, ids, said, *taken.columns], schema=self._quarantined)
        )
