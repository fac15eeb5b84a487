"""Reads a data set in batches: records, and their raw values by modality."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.core.errors import BadInput, UserError, unknown_name
from components.core.places import files_in, opened
from components.core.values import is_empty
from components.data.columns import plain_batch, plain_schema
from components.data.manifest import Manifest
from components.data.media import Media
from components.data.modality import Modality
from components.parts.contracts import Raw
from components.parts.reading import Reading

ROWS = 2048
"""Default number of records in a batch: few enough for their media to fit in memory."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A raw value that could not be fetched or read: its row in the batch, the modality and why."""

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
                        yield plain_batch(batch.select(names or self.schema.names))
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
                    here = plain_schema(parquet.schema_arrow)
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

    Image: encoded bytes. Text: str. Tabular: a mapping of column names to values (float for a
    number, str for a category, list of str for a set, None for missing). `parts.reading` says what
    an empty cell and a default mean.

    Args:
        batch: records with at least the manifest's modality columns.
        manifest: what the columns mean.
        media: resolves paths; None if no modality needs it.
        faults: receives the values that cannot be fetched or read; without it the first one is
            raised.

    Raises:
        BadInput: a path without a file, or a value of another type, if ``faults`` is not given.
    """
    result: dict[str, list[Raw | None]] = {}
    for name in sorted(manifest.modalities):
        modality = manifest.modalities[name]
        values = _stored(batch, name, modality, media)
        result[name] = _read(values, modality.reading(name), name, faults)
    return result


def _stored(
    batch: pa.RecordBatch | pa.Table, name: str, modality: Modality, media: Media | None
) -> Sequence[object]:
    """The values as the data set holds them; paths are replaced by the content of their files."""
    if modality.columns:
        cells = {column: batch.column(column).to_pylist() for column in modality.columns}
        return [dict(zip(cells, row, strict=True)) for row in zip(*cells.values(), strict=True)]
    values: list[object] = batch.column(str(modality.column)).to_pylist()
    if modality.raw != "bytes" or not any(isinstance(v, str) for v in values):
        return values
    assert media is not None, "paths need `media` to read from"
    where = f"modality {name!r}, column {modality.column!r}"
    paths = [v if isinstance(v, str) and not is_empty(v) else None for v in values]
    return [
        BadInput(where, f"path {path!r} to an empty file", "a file with content")
        if content == b""
        else content
        for path, content in zip(paths, media.fetch(paths, where), strict=True)
    ]


def _read(
    values: Sequence[object], reading: Reading, name: str, faults: list[Fault] | None
) -> list[Raw | None]:
    found: list[Raw | None] = []
    for row, value in enumerate(values):
        try:
            if isinstance(value, BadInput):
                raise value
            found.append(reading(value))
        except BadInput as error:
            if faults is None:
                raise
            faults.append(Fault(row=row, modality=name, error=error))
            found.append(None)
    return found
