"""Reads a file, or the parts of a table in a folder, as one table."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import feather, ipc

from components.core.errors import UsageError, UserError
from components.data.importing.delimited import read_delimited
from components.data.importing.hugging_face import with_class_names
from components.data.importing.json_lines import read_json_lines
from components.data.importing.report import Report

_DELIMITED = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
_LINES = (".jsonl", ".ndjson")
_ARROW = (".arrow", ".feather", ".ipc")
_PARQUET = (".parquet", ".pq")
_ACCEPTED = (*_DELIMITED, *_LINES, *_ARROW, *_PARQUET)


@dataclass(frozen=True, kw_only=True)
class Read:
    """A table as its file holds it.

    Attributes:
        table: its records.
        is_text: whether every cell is text because the file has no types.
        decimal_comma: whether numbers may have a comma for the point.
    """

    table: pa.Table
    is_text: bool = False
    decimal_comma: bool = False


def is_table(path: Path) -> bool:
    """Whether a file's name promises a table."""
    return _form(path) in _ACCEPTED


def read_table(source: Path, encoding: str | None, report: Report, *, instead: str = "") -> Read:
    """Read a file as a table, by its suffix.

    Args:
        source: CSV, TSV or JSON Lines (perhaps compressed by gzip), Parquet, or Arrow IPC.
        encoding: of a file of text; by default UTF-8, or UTF-16 with its mark.
        report: receives what was not as usual.
        instead: what a message on another suffix says that may be given in place of a table.

    Raises:
        UserError: another suffix, not readable, or two columns have one name.
        UsageError: an encoding that does not exist, or is given for a file of another form.
    """
    form = _form(source)
    if form not in _ACCEPTED:
        raise UserError(
            f"{source}: got {source.suffix or 'no suffix'}, wanted a table "
            f"({', '.join(_ACCEPTED)}, those of text also with .gz){instead}"
        )
    if encoding is not None and form not in (*_DELIMITED, *_LINES):
        raise UsageError(f"--encoding is for files of text; {source} has none")
    if form in _DELIMITED:
        table, delimiter = read_delimited(source, _DELIMITED[form], encoding, report)
        read = Read(table=table, is_text=True, decimal_comma=delimiter == ";")
    elif form in _LINES:
        read = Read(table=read_json_lines(source, encoding, report))
    else:
        read = Read(table=with_class_names(_binary(source, form), report))
    _check_names(source, read.table.column_names)
    return read


def _form(path: Path) -> str:
    suffixes = [s.lower() for s in path.suffixes]
    if suffixes[-1:] == [".gz"] and suffixes[-2:-1]:
        return suffixes[-2] if suffixes[-2] in (*_DELIMITED, *_LINES) else ".gz"
    return suffixes[-1] if suffixes else ""


def _binary(source: Path, form: str) -> pa.Table:
    try:
        with source.open("rb") as file:  # Arrow opens no path that is not UTF-8
            if form in _PARQUET:
                return pq.ParquetFile(file).read()
            is_stream = not file.read(6).startswith((b"ARROW1", b"FEA1"))
            file.seek(0)
            return ipc.open_stream(file).read_all() if is_stream else feather.read_table(file)
    except (pa.ArrowException, OSError, ValueError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{source} is not a readable {form[1:]} table ({said})") from error


def _check_names(source: Path, names: Sequence[str]) -> None:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(
            f"{source}: {', '.join(map(repr, twice))} "
            f"{'is the name' if len(twice) == 1 else 'are the names'} of two columns or more; "
            "rename all but one, or leave them out"
        )
