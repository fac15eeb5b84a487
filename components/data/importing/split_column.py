"""The column of splits, in the words that people use for them."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from components.core.errors import UserError
from components.data.importing.report import Report
from components.data.importing.role_columns import columns_for, listed, texts_of
from components.data.importing.split_words import WORDS, split_of
from components.data.splits import SPLITS

HASH = "hash"
"""In place of a split column: the split is decided by hash, even if the table has one."""


def split_column(
    table: pa.Table, source: Path, named: Mapping[str, str], report: Report
) -> tuple[str, list[str | None]] | None:
    """The column of splits, and the split of each record in our words."""
    if named.get("split") == HASH and HASH not in table.column_names:
        return None
    for column in columns_for(table, "split", named):
        surely = "split" in named or column.strip().casefold() == "split"
        cells = texts_of(table, column, source)
        words = {c: split_of(c) for c in dict.fromkeys(cells) if c is not None}
        if not words:
            continue
        if (odd := [w for w, split in words.items() if split is None]) and surely:
            raise UserError(
                f"{source}: column {column!r} has {listed(odd)}; wanted "
                f"{', '.join('/'.join(w) for w in WORDS.values())} in any case. Change the cells, "
                f"name another column with --split COLUMN, or let a hash decide with --split {HASH}"
            )
        if odd:
            report.columns[column] = (
                f"{listed(odd)} are not names of splits; the column may still be about the split"
            )
            continue
        if "train" not in words.values():
            raise UserError(
                f"{source}: column {column!r} has {listed(words)} but no training records; "
                f"add them, or let a hash decide with --split {HASH}"
            )
        if set(words.values()) == {"train"}:
            report.notes.append(
                f"split: column {column!r} has only {listed(words)}; a hash decides instead"
            )
            continue
        if renamed := [f"{w!r} as {s}" for w, s in words.items() if w != s]:
            report.notes.append(f"split: column {column!r}: read {', '.join(renamed)}")
        if empty := sum(c is None for c in cells):
            report.notes.append(
                f"split: {empty:,} records have none in column {column!r}; the check leaves "
                f"them out; wanted one of {', '.join(SPLITS)}"
            )
        return column, [None if c is None else words[c] for c in cells]
    return None
