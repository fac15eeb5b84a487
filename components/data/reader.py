"""Reads a data set in batches: records, and their raw values by modality."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.core.errors import BadInput, UserError, unknown_name
from components.core.places import files_in, opened
from components.data.manifest import Column, Manifest, Modality
from components.data.media import Media
from components.parts.contracts import Raw

ROWS = 2048
"""Default number of records in a batch: few enough for their media to fit in memory."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A raw value that could not be fetched: the row within the batch, the modality and why."""

    row: int
    modality: str
    error: BadInput


class Dataset:
    """The records of a data set, read in batches.

    They are ``records.parquet``, or a folder ``records/`` of Parquet parts.

    Args:
        uri: the data set.
        manifest: what the columns mean.
        columns: required columns; by default all that the manifest names.

    Raises:
        UserError: the records do not exist, cannot be read, or lack a column.
    """

    def __init__(self, uri: str, manifest: Manifest, columns: Sequence[str] | None = None) -> None:
        self.uri, self.manifest = uri, manifest
        self._fs, self._root = opened(uri)
        self._parts = record_files(self._fs, self._root, uri)
        self.schema, self.rows = self._describe()
        self.check_columns(manifest.used if columns is None else columns)

    def check_columns(self, wanted: Sequence[str]) -> None:
        """Check that the records have the columns.

        Raises:
            UserError: some are missing; names each of them with the nearest existing one.
        """
        missing = [c for c in wanted if c not in self.schema.names]
        if missing:
            lines = "\n".join(
                f"  - {unknown_name('column', c, self.schema.names)}" for c in missing
            )
            raise UserError(
                f"the manifest names {len(missing)} column{'s' if len(missing) > 1 else ''} "
                f"not in the records of {self.uri}:\n"
                f"{lines}\nCorrect the manifest, or add the column."
            )

    def batches(
        self, rows: int = ROWS, columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Records in order, at most ``rows`` at a time; all columns, or only some."""
        for part in self._parts:
            with self._fs.open(part, "rb") as file:
                names = None if columns is None else list(columns)
                try:
                    for batch in pq.ParquetFile(file).iter_batches(rows, columns=names):
                        yield batch.select(names or self.schema.names)
                except (pa.ArrowException, OSError) as error:
                    raise UserError(
                        f"{part} is not readable Parquet ({error}); write it again"
                    ) from error

    def media(self) -> Media:
        """The media of the set, with a new index."""
        return Media(self.uri)

    def _describe(self) -> tuple[pa.Schema, int]:
        schema, rows = None, 0
        for part in self._parts:
            try:
                with self._fs.open(part, "rb") as file:
                    parquet = pq.ParquetFile(file)
                    rows += parquet.metadata.num_rows
                    here = parquet.schema_arrow.remove_metadata()
            except (pa.ArrowException, OSError) as error:
                raise UserError(
                    f"{part} is not readable Parquet ({error}); write it again"
                ) from error
            if schema is not None and set(here.names) != set(schema.names):
                odd = sorted(set(here.names) ^ set(schema.names))
                raise UserError(
                    f"{part}: columns {odd} are not in every part of the records; "
                    "wanted the same columns in all"
                )
            schema = schema or here
        assert schema is not None
        return schema, rows


def record_files(filesystem: Any, root: str, uri: str) -> list[str]:  # noqa: ANN401
    """``records.parquet``, or the parts in the folder ``records.parquet`` or ``records``, sorted.

    Raises:
        UserError: neither exists.
    """
    for name in ("records.parquet", "records"):
        place = f"{root}/{name}"
        if filesystem.isfile(place):
            return [place]
        if parts := files_in(filesystem, place, ".parquet"):
            return parts
    raise UserError(
        f"no records in {uri}: wanted `records.parquet`, or a folder `records` of Parquet parts; "
        "make a data set from a CSV, a Parquet file or a folder of classes "
        "with `concord data import SRC DIR`"
    )


def raws(
    batch: pa.RecordBatch | pa.Table,
    manifest: Manifest,
    media: Media | None,
    faults: list[Fault] | None = None,
) -> dict[str, list[Raw | None]]:
    """Raw values of each modality of a batch; None where a record lacks it.

    Image: encoded bytes. Text: str; blank text counts as absent. Tabular: a mapping of column names
    to values (float for a number, str for a category, list of str for a set, None for missing). An
    empty cell has the declared default, and a record lacks the modality if all cells are missing.

    Args:
        batch: records with at least the manifest's modality columns.
        manifest: what the columns mean.
        media: resolves paths; None if no modality needs it.
        faults: receives the values that cannot be fetched; without it the first one is raised.

    Raises:
        BadInput: a path without a file, if ``faults`` is not given.
    """
    result: dict[str, list[Raw | None]] = {}
    for name in sorted(manifest.modalities):
        modality = manifest.modalities[name]
        if modality.columns:
            result[name] = _tabular(batch, modality.columns)
        elif modality.raw == "bytes":
            result[name] = _media(batch, name, modality, media, faults)
        else:
            values = batch.column(str(modality.column)).to_pylist()
            result[name] = [
                v
                if isinstance(v, bytes)
                else (str(v) if v is not None and str(v).strip() else None)
                for v in values
            ]
    return result


def _media(
    batch: pa.RecordBatch | pa.Table,
    name: str,
    modality: Modality,
    media: Media | None,
    faults: list[Fault] | None,
) -> list[Raw | None]:
    values = batch.column(str(modality.column)).to_pylist()
    if not any(isinstance(v, str) for v in values):
        return list(values)  # bytes columns
    assert media is not None, "paths need `media` to read from"
    fetched = media.fetch(
        [v or None for v in values], f"modality {name!r}, column {modality.column!r}"
    )
    found: list[Raw | None] = []
    for row, value in enumerate(fetched):
        if isinstance(value, BadInput):
            if faults is None:
                raise value
            faults.append(Fault(row=row, modality=name, error=value))
            found.append(None)
        else:
            found.append(value)
    return found


def _tabular(batch: pa.RecordBatch | pa.Table, columns: dict[str, Column]) -> list[Raw | None]:
    cells = {
        name: [_cell(v, spec) for v in batch.column(name).to_pylist()]
        for name, spec in columns.items()
    }
    rows: list[Raw | None] = []
    for row in range(batch.num_rows):
        values = {name: column[row] for name, column in cells.items()}
        rows.append(values if any(v is not None for v in values.values()) else None)
    return rows


def _cell(value: Any, spec: Column) -> Any:  # noqa: ANN401
    """One stored cell in the form that modalities read; an empty one (NaN too) is its default."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return spec.default_cell
    if spec.type == "number":
        return float(value)
    if spec.type == "set":
        return spec.members(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
