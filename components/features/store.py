"""Inputs of all records: a memory-mapped array per view, for training, evaluation and packaging."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.core.errors import UserError
from components.core.files import read_json, write_json
from components.features import stored
from components.features.rows import Rows, opened, writer
from components.features.spec import ModalitySpec, carry_own
from components.features.target import build_target
from components.parts import loading as parts
from components.parts.contracts import Target
from components.parts.own import OWN

RECORD_COLUMNS = ("id", "group", "split")


@dataclass(frozen=True, kw_only=True)
class Features:
    """The encoded data set of a run; ``n`` records in its order, ``m`` modalities sorted by name.

    Attributes:
        path: the folder.
        ids: record ids.
        groups: group of each record.
        splits: ``train``, ``val`` or ``test`` of each record.
        labels: coded label of each record ``(n, …)``; a hidden one is coded as none.
        names: sorted modality names.
        present: ``(n, m)`` bool.
        contents: ``(n, m)``: in a column, records whose raw content is equal have equal numbers;
            0 where absent.
        arrays: view name to ``(n, *shape)``, memory-mapped; absent rows are zeros. A sparse view is
            a ``csr_array``.
        specs: modality name to what builds it.
        target: codes and decodes labels.
        target_kind: name of the part behind it.
    """

    path: Path
    ids: list[str]
    groups: list[str]
    splits: NDArray[np.str_]
    labels: NDArray[Any]
    names: list[str]
    present: NDArray[np.bool_]
    contents: NDArray[np.int64]
    arrays: dict[str, Rows]
    specs: dict[str, ModalitySpec]
    target: Target
    target_kind: str

    @property
    def classes(self) -> list[str]:
        """Sorted class names."""
        return self.target.classes

    @classmethod
    def load(cls, path: Path) -> "Features":
        """Open a features folder without reading its arrays.

        Raises:
            UserError: not a complete features folder.
        """
        try:
            meta = read_json(path / "features.json")
            table = pq.read_table(path / "records.parquet", columns=list(RECORD_COLUMNS))
            specs = {
                name: stored.parse(spec, path / OWN)
                for name, spec in _mapping(meta["modalities"]).items()
            }
            names = sorted(specs)
            arrays = {
                full: opened(path / full, view)
                for name in names
                for full, view in zip(specs[name].names(name), specs[name].views, strict=True)
            }
            present, labels = np.load(path / "present.npy"), np.load(path / "labels.npy")
            contents = np.load(path / "contents.npy")
        except (OSError, pa.ArrowInvalid, KeyError) as error:
            raise UserError(
                f"{path} is not a complete features folder ({error}); run the encode step again"
            ) from error
        kind = str(meta["target"])
        classes = [str(c) for c in _list(meta["classes"])]
        return cls(
            path=path,
            ids=table["id"].to_pylist(),
            groups=table["group"].to_pylist(),
            splits=np.array(table["split"].to_pylist(), dtype=np.str_),
            labels=labels,
            names=names,
            present=present,
            contents=contents,
            arrays=arrays,
            specs=specs,
            target=build_target(kind, classes, path / OWN),
            target_kind=kind,
        )

    def views(self, names: Iterable[str] | None = None) -> dict[str, NDArray[Any]]:
        """View name to array ``(n, *shape)``, for some modalities (all by default).

        They are the inputs of the network; sparse views are not among them.
        """
        wanted = self.names if names is None else names
        return {view: self.arrays[view] for name in wanted for view in self.specs[name].dense(name)}

    def without(self, views: Collection[str]) -> "Features":
        """The same records without some views."""
        specs = {
            name: replace(
                spec, views=tuple(v for v in spec.views if f"{name}/{v.name}" not in views)
            )
            for name, spec in self.specs.items()
        }
        arrays = {view: rows for view, rows in self.arrays.items() if view not in views}
        return replace(self, specs=specs, arrays=arrays)

    def sparse(self) -> dict[str, Rows]:
        """Name of each sparse view to its ``csr_array (n, columns)``."""
        return {view: rows for view, rows in self.arrays.items() if view not in self.views()}

    def rows(self, split: str | None = None, labelled: bool | None = None) -> NDArray[np.int64]:
        """Row numbers ``(k,)`` of a split (default all), with or without a label (default both)."""
        keep = np.ones(len(self.ids), dtype=bool)
        if split is not None:
            keep &= self.splits == split
        if labelled is not None:
            keep &= self.target.labelled(self.labels) == labelled
        return np.flatnonzero(keep)

    def times(self) -> pa.ChunkedArray | None:
        """Seconds since 1970 of each record; None where the data set has no column of times."""
        file = pq.ParquetFile(self.path / "records.parquet")
        return file.read(columns=["time"])["time"] if "time" in file.schema_arrow.names else None

    def previews(self) -> pa.Table:
        """``id`` and one column per modality: a small form to show, null where absent."""
        return pq.read_table(self.path / "previews.parquet")


class FeaturesWriter:
    """Fills a features folder batch by batch, without holding the data set in memory.

    Args:
        out: an empty folder.
        specs: the modalities, by name.
        count: number of records.
        target: codes their labels.
        target_kind: name of the part that ``target`` comes from.
        base: folder that a user's own target is relative to.
    """

    def __init__(
        self,
        out: Path,
        specs: Mapping[str, ModalitySpec],
        count: int,
        target: Target,
        target_kind: str,
        base: Path | None = None,
    ) -> None:
        self._out, self._specs, self._names = out, dict(specs), sorted(specs)
        self._target, self._target_kind, self._base = target, target_kind, base
        self._labels: list[NDArray[Any]] = []
        for name in self._names:
            (out / name).mkdir()
        self._arrays = {
            name: {
                f"{name}/{view.name}": writer(out / name / view.name, view, count)
                for view in specs[name].views
            }
            for name in self._names
        }
        self._present = np.zeros((count, len(self._names)), dtype=np.bool_)
        self._contents = np.zeros((count, len(self._names)), dtype=np.int64)
        preview_types = {
            name: pa.binary() if specs[name].raw == "bytes" else pa.string() for name in self._names
        }
        self._preview_schema = pa.schema([("id", pa.string()), *preview_types.items()])
        self._previews = pq.ParquetWriter(out / "previews.parquet", self._preview_schema)
        self._records: pq.ParquetWriter | None = None
        self._row = 0

    def add(
        self,
        records: pa.Table,
        inputs: Mapping[str, tuple[NDArray[np.int64], Rows]],
        previews: Mapping[str, list[bytes | str | None]],
        contents: Mapping[str, NDArray[np.int64]],
    ) -> None:
        """Append a batch.

        Args:
            records: ``id``, ``group``, ``split``, ``label`` and slices of the batch.
            inputs: view name to the positions in the batch that have it, and their inputs
                ``(positions, *shape)``.
            previews: modality name to one preview for each record of the batch.
            contents: modality name to the number of each record's content ``(batch,)``.
        """
        batch = slice(self._row, self._row + len(records))
        for column, name in enumerate(self._names):
            self._contents[batch, column] = contents[name]
            for view, array in self._arrays[name].items():
                positions, values = inputs[view]
                if len(positions):
                    array.add(self._row + positions, values)
                    self._present[self._row + positions, column] = True
        columns = {
            "id": records["id"],
            **{
                name: pa.array(previews[name], self._preview_schema.field(name).type)
                for name in previews
            },
        }
        self._previews.write_table(
            pa.table(columns).select(self._preview_schema.names).cast(self._preview_schema)
        )
        self._labels.append(self._target.encode(records["label"].to_pylist()))
        records = records.drop_columns(["label"])
        if self._records is None:
            self._records = pq.ParquetWriter(self._out / "records.parquet", records.schema)
        self._records.write_table(records)
        self._row += len(records)

    def close(self) -> None:
        """Finish all files; copies of a user's own parts are among them."""
        assert self._row == len(self._present), (self._row, len(self._present))
        assert self._records is not None
        self._records.close()
        self._previews.close()
        for arrays in self._arrays.values():
            for array in arrays.values():
                array.close()
        np.save(self._out / "present.npy", self._present)
        np.save(self._out / "contents.npy", self._contents)
        carry_own(self._specs.values(), self._out)
        parts.carry([("targets", self._target_kind)], self._base, self._out / OWN)
        np.save(self._out / "labels.npy", np.concatenate(self._labels))
        modalities = {name: self._specs[name].to_json() for name in self._names}
        write_json(
            self._out / "features.json",
            {
                "modalities": modalities,
                "classes": self._target.classes,
                "target": self._target_kind,
            },
        )


def _mapping(value: object) -> dict[str, Any]:
    assert isinstance(value, dict), value
    return value


def _list(value: object) -> list[Any]:
    assert isinstance(value, list), value
    return value
