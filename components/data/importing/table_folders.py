"""Reads a folder of tables with the same columns as one table; files may be named by split."""

import re
from pathlib import Path

import pyarrow as pa

from components.core.errors import UserError
from components.data.importing.paths import as_text
from components.data.importing.report import Report
from components.data.importing.split_words import UNLABELLED, split_of
from components.data.importing.tables import Read, is_table, read_table

_BESIDE = {".md", ".txt", ".json", ".yaml", ".yml", ".crc", ".lock", ""}
"""Suffixes of what lies beside the parts of a table."""
_MOST_NAMED = 5


def parts_of(source: Path) -> list[Path]:
    """The files of a folder that has nothing but tables; empty if it has other files."""
    found = []
    for path in source.rglob("*"):
        if path.name.startswith((".", "_")) or not path.is_file():
            continue
        if is_table(path):
            found.append(path)
        elif path.suffix.lower() not in _BESIDE:
            return []
    return sorted(found)


def read_parts(source: Path, files: list[Path], encoding: str | None, report: Report) -> Read:
    """Read the files one below the other, with a column ``split`` if their names give it.

    Args:
        source: the folder.
        files: its tables.
        encoding: of files of text.
        report: receives what was read.

    Raises:
        UserError: the files have different columns, or only some of them are named by split.
    """
    reads = [read_table(file, encoding, report) for file in files]
    first = reads[0].table.column_names
    for file, read in zip(files, reads, strict=True):
        if odd := sorted(set(first) ^ set(read.table.column_names)):
            raise UserError(
                f"{source}: {', '.join(map(repr, odd))} is not in both {files[0].name} and "
                f"{file.name}; wanted parts of one table, or the path of one file"
            )
    splits = {file: _split(file.relative_to(source)) for file in files}
    named = [f"{as_text(str(f.relative_to(source)))} ({splits[f] or 'no split'})" for f in files]
    more = f" and {len(files) - _MOST_NAMED:,} more" if len(files) > _MOST_NAMED else ""
    report.notes.append(f"read {len(files):,} files: {', '.join(named[:_MOST_NAMED])}{more}")
    tables = [read.table.select(first).replace_schema_metadata() for read in reads]
    if any(splits.values()) and "split" not in first:
        if unknown := [f.name for f, split in splits.items() if split is None]:
            raise UserError(
                f"{source}: some files are named by split, others are not ({unknown[0]}); wanted "
                "train, val or test in each name, or the path of one file"
            )
        tables = [
            table.append_column("split", pa.array([splits[file]] * len(table), pa.string()))
            for file, table in zip(files, tables, strict=True)
        ]
    try:
        table = pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise UserError(f"{source}: its files have columns of different types ({error})") from error
    return Read(
        table=table,
        is_text=all(read.is_text for read in reads),
        decimal_comma=all(read.decimal_comma for read in reads),
    )


def _split(path: Path) -> str | None:
    """The split by the first word of a file's name, or by a folder of that name."""
    for name in (path.name, *reversed(path.parts[:-1])):
        word = re.split(r"[-_.\s]", name, maxsplit=1)[0]
        if word.casefold() in UNLABELLED:
            return "train"
        if (split := split_of(word)) is not None:
            return split
    return None
