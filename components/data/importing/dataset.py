"""Makes a data set of a table with media paths, or of a folder with one sub-folder per class."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa
import pyarrow.parquet as pq

from components.core.errors import UserError
from components.core.files import written_aside
from components.core.places import in_utf8
from components.core.progress import Progress, silent
from components.data.importing.columns import numbered, plain
from components.data.importing.folders import read_folder
from components.data.importing.manifest_text import manifest_text
from components.data.importing.media_kinds import kinds_with
from components.data.importing.packing import Packing
from components.data.importing.path_columns import unnamed
from components.data.importing.report import Report, some
from components.data.importing.roles import with_roles
from components.data.importing.table_folders import parts_of, read_parts
from components.data.importing.tables import Read, read_table
from components.data.importing.uses import NUMBERING, SHORT_TEXTS, Use, is_bytes, use_of
from components.data.manifest import RESERVED

_NONE: Mapping[str, str] = MappingProxyType({})
ABOUT_THE_LABEL = {b"concord": b"about the label"}
"""Metadata of a Parquet column with the origin of a label, as in exported feedback."""
_LEFT_OUT = {
    name: f"the name is reserved for the record's {name}, which another column gives"
    for name in RESERVED
}


def import_dataset(
    source: Path,
    target: Path,
    progress: Progress = silent,
    *,
    named: Mapping[str, str] = _NONE,
    separator: str | None = None,
    encoding: str | None = None,
    outside: bool = False,
) -> Report:
    """Make a data set of a CSV, TSV or Parquet table, or of a folder with a sub-folder per class.

    Media that the table names by path (relative to it) are packed into ``media/*.parquet``. The
    meaning of the columns is guessed and written into ``dataset.yaml`` with comments, so that the
    user can correct it.

    Args:
        source: the table or the folder.
        target: the folder to make.
        progress: called as media are packed.
        named: role (``id``, ``label``, ``group``, ``split``) to the column that has it; by default
            columns with usual names have the roles. ``none`` as the label: nothing is predicted.
        separator: separates the classes of a record in the text of its label.
        encoding: of a table of text; by default UTF-8, or UTF-16 with its mark.
        outside: whether files outside the source's folder that the table names are packed too.

    Returns:
        What was imported, left out and decided.

    Raises:
        UserError: the target exists, the source does not exist or has an unknown form, or a
            required column is missing.
        UsageError: a role's column or the encoding does not exist.
    """
    in_utf8(target)
    if os.path.lexists(target):
        raise UserError(
            f"{target} exists and is never overwritten; give another folder, or remove it first"
        )
    if not source.is_dir() and not source.is_file():
        raise UserError(f"no file or folder at {source}")
    report = Report()
    read, base = _read(source, encoding, report)
    if read.table.num_rows == 0:
        raise UserError(f"{source} has no records")
    report.columns |= {
        field.name: "it holds where the label is from"
        for field in read.table.schema
        if ABOUT_THE_LABEL.items() <= (field.metadata or {}).items()
    }
    table, roles = with_roles(read.table, source, named, report, separator)
    table = plain(table, report)
    kept = {*roles.values(), *report.columns}
    if read.is_text:
        table = numbered(table, kept, read.decimal_comma, report)
    report.records, report.notes = table.num_rows, list(dict.fromkeys(report.notes))
    uses = _uses(table, roles, base, report, outside=outside)
    uses = uses or _numberings(table, base, report) or _short_texts(report)
    if not uses:
        raise UserError(
            f"{source}: got columns {table.column_names}, "
            "none of which reads as pictures, text, numbers or categories\n"
            + "\n".join(report.lines)
        )
    with written_aside(target) as folder:
        packing = Packing(base, folder / "media", report, progress, outside=outside)
        for column, use in uses.items():
            if use.kind in kinds_with("bytes") and not is_bytes(table[column]):
                table = packing.pack(table, column, use.kind)
        pq.write_table(table, folder / "records.parquet", row_group_size=50_000)
        (folder / "dataset.yaml").write_text(
            manifest_text(roles, uses, table, source, report), encoding="utf-8"
        )
    return report


def _uses(
    table: pa.Table, roles: Mapping[str, str], base: Path, report: Report, *, outside: bool
) -> dict[str, Use]:
    """How each column is used; the report receives those that are not, with the reason."""
    uses: dict[str, Use] = {}
    for column in table.column_names:
        if column in roles.values() or column in report.columns:
            continue
        if "\0" in column:
            report.columns[column] = "a manifest cannot hold the \\0 in its name; rename it"
            continue
        use = _LEFT_OUT.get(column) or use_of(column, table[column], base, outside=outside)
        odd = report.nearly_numbers.get(column)
        if isinstance(use, str):
            report.columns[column] = (
                f"{odd}; correct or empty them, and import again" if odd else use
            )
        else:
            uses[column] = use
            report.notes += [f"column {column!r}: {odd}"] if odd else []
    media = kinds_with("bytes")
    if not any(use.kind in media for use in uses.values()) and (said := unnamed(base)):
        report.notes.append(said)
    return uses


def _numberings(table: pa.Table, base: Path, report: Report) -> dict[str, Use]:
    """The columns that only look like running numbers, as numbers; nothing else can be used."""
    columns = [column for column, why in report.columns.items() if why == NUMBERING]
    uses: dict[str, Use] = {}
    for column in columns:
        use = use_of(column, table[column], base, numbering=True)
        assert isinstance(use, Use), use
        uses[column] = use
        del report.columns[column]
    if uses:
        report.notes.append(
            f"used as numbers, because no other column can be used: {some(columns)}: {NUMBERING}; "
            "a row number predicts no class, so check that these are amounts"
        )
    return uses


def _short_texts(report: Report) -> dict[str, Use]:
    """The columns of codes, addresses or names, as text; nothing else can be used."""
    columns = [column for column, why in report.columns.items() if why.endswith(SHORT_TEXTS)]
    for column in columns:
        del report.columns[column]
    if columns:
        report.notes.append(
            f"used as text, because no other column can be used: {some(columns)}: short texts that "
            "are nearly all different; a text that only identifies a record predicts no class, so "
            "check that these are informative"
        )
    return dict.fromkeys(columns, Use("text", "modality"))


def _read(source: Path, encoding: str | None, report: Report) -> tuple[Read, Path]:
    """The records, and the folder that paths in them are relative to."""
    if not source.is_dir():
        in_utf8(source)
        folder = " or a folder with a folder per class"
        return read_table(source, encoding, report, instead=folder), source.parent
    if files := parts_of(source):
        return read_parts(source, files, encoding, report), source
    table, base = read_folder(source, report)
    return Read(table=table), base
