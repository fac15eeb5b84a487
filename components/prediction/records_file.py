"""Records of one file: columns with the names of the modalities, or those of the model's data set.

Parquet is read in batches; a file of text (CSV, TSV, JSON Lines) is read as a whole.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.core.errors import UserError
from components.core.refs import digest_json
from components.data.columns import plain_batch, plain_schema
from components.data.importing.numbers import as_numbers, odd_cells
from components.data.importing.report import Report
from components.data.importing.tables import read_table
from components.data.manifest import Manifest, parse
from components.data.reader import ROWS
from components.features.modality import Modality
from components.parts.own import OWN

_ID = "id"


class RecordsFile:
    """The records of a file, read in batches like those of a data set.

    Paths of media are relative to the file's folder. Records without a column ``id`` are named by
    their number, from 0.

    Args:
        path: Parquet, CSV, TSV, JSON Lines or Arrow.
        modalities: of the model, by name.
        package: the model package, which a user's own kinds are relative to.

    Raises:
        UserError: not readable, no column of any modality, or text where numbers are wanted.
    """

    def __init__(self, path: Path, modalities: Mapping[str, Modality], package: Path) -> None:
        self.path, self.uri = path, str(path.resolve().parent)
        held, is_text, comma = _read(path)
        names = _schema(held).names
        self.manifest = _manifest(path, names, modalities, package)
        wanted = [_ID, *self.manifest.feature_columns]
        self._missing = [name for name in wanted if name not in names]
        self.unread = [name for name in names if name not in wanted]
        """Columns that no modality of the model reads."""
        absent_modalities = [n for n in modalities if n not in self.manifest.modalities]
        self.lacking = [*absent_modalities, *(n for n in self._missing if n != _ID)]
        """Modalities and columns that the model reads and the file does not have."""
        self._held = _typed(path, held, self.manifest, comma) if is_text else held
        kinds = plain_schema(_schema(self._held))
        absent = {n: pa.string() if n == _ID else pa.null() for n in self._missing}
        self.schema = pa.schema([(n, absent.get(n) or kinds.field(n).type) for n in wanted])
        self.rows = len(held) if isinstance(held, pa.Table) else held.metadata.num_rows

    @property
    def has_ids(self) -> bool:
        """Whether a column names the records."""
        return _ID not in self._missing

    @property
    def state(self) -> str:
        """Changes whenever the file is written or replaced."""
        state = self.path.stat()
        return digest_json([state.st_size, state.st_ino, state.st_mtime_ns, state.st_ctime_ns])

    def batches(
        self, rows: int = ROWS, columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Records in order, at most ``rows`` at a time."""
        names = [n for n in (columns or self.schema.names) if n not in self._missing]
        start = 0
        for batch in self._batches(rows, names):
            yield self._completed(plain_batch(batch), start, columns or self.schema.names)
            start += len(batch)

    def _batches(self, rows: int, names: list[str]) -> Iterator[pa.RecordBatch]:
        if isinstance(self._held, pa.Table):
            yield from self._held.select(names).to_batches(max_chunksize=rows)
            return
        try:
            for batch in self._held.iter_batches(rows, columns=names):
                yield batch.select(names)
        except (pa.ArrowException, OSError) as error:
            raise UserError(f"{self.path} is not readable Parquet ({error})") from error

    def _completed(
        self, batch: pa.RecordBatch, start: int, columns: Sequence[str]
    ) -> pa.RecordBatch:
        """The batch with the columns that the file lacks."""
        numbers = pa.array([str(n) for n in range(start, start + len(batch))], pa.string())
        empty = pa.nulls(len(batch))
        held = {n: batch.column(n) for n in batch.schema.names}
        given = [held.get(n, numbers if n == _ID else empty) for n in columns]
        return pa.RecordBatch.from_arrays(given, names=list(columns))


def _read(path: Path) -> tuple[pq.ParquetFile | pa.Table, bool, bool]:
    """The file, whether all its cells are text, and whether numbers may have a comma."""
    if path.suffix.lower() not in (".parquet", ".pq"):
        read = read_table(path, None, Report(), instead=" or a data set")
        return read.table, read.is_text, read.decimal_comma
    try:
        return pq.ParquetFile(path), False, False
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path} is not readable Parquet ({error})") from error


def _schema(held: pq.ParquetFile | pa.Table) -> pa.Schema:
    return held.schema if isinstance(held, pa.Table) else held.schema_arrow


def _manifest(
    path: Path, names: Sequence[str], modalities: Mapping[str, Modality], package: Path
) -> Manifest:
    """What the file's columns mean: each modality has its own name, or that of its data set."""
    found: dict[str, dict[str, Any]] = {}
    wanted = []
    for name, modality in modalities.items():
        described = {**modality.spec.columns, "kind": modality.spec.kind}
        columns = described.get("columns") or {}
        if columns and set(columns) & set(names):
            found[name] = described
        for column in (name, described.get("column")) if not columns else ():
            if column in names and name not in found:
                found[name] = {**described, "column": column}
        wanted.append(f"{name} (columns {', '.join(columns)})" if columns else name)
    if not found:
        raise UserError(
            f"{path} has the columns {', '.join(names)}, wanted at least one of the model's "
            f"modalities: {'; '.join(wanted)}; rename a column"
        )
    tree = {"target": {"kind": "none"}, "modalities": found}
    return parse(tree, path, package / OWN)


def _typed(path: Path, table: pa.Table, manifest: Manifest, decimal_comma: bool) -> pa.Table:
    """A table of text with the columns of numbers as numbers.

    Raises:
        UserError: a cell is not a number.
    """
    specs = [m.columns or {} for m in manifest.modalities.values()]
    numbers = [c for columns in specs for c, spec in columns.items() if spec.type == "number"]
    for column in numbers:
        if column not in table.column_names or table[column].null_count == len(table):
            continue
        read = as_numbers(table[column], decimal_comma)
        if read is None:
            odd = odd_cells(table[column], decimal_comma) or "text"
            raise UserError(f"{path}, column {column!r}: got {odd}; wanted numbers; correct it")
        table = table.set_column(table.column_names.index(column), column, read[0])
    return table
