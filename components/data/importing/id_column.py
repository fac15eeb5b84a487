"""The column that gives each record an id of its own; else the rows are numbered."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from shlex import quote

import pyarrow as pa
import pyarrow.compute as pc

from components.core.errors import UserError
from components.data.importing.report import Report
from components.data.importing.role_columns import columns_for, texts_of


def id_column(
    table: pa.Table, source: Path, named: Mapping[str, str], report: Report
) -> tuple[str, list[str | None]] | None:
    """The first column that gives each record an id of its own; the others are not features."""
    elsewhere = set[str]() if "id" in named else set(named.values())
    for column in columns_for(table, "id", named):
        if column in elsewhere:
            continue
        cells = texts_of(table, column, source)
        why = _unfit(cells)
        if not why:
            return column, cells
        if "id" in named:
            raise UserError(f"{source}: column {column!r} cannot be the id: {why}")
        report.columns[column] = f"it cannot be the id: {why}"
        if None not in cells and "group" not in named:
            report.columns[column] += (
                "; if records of one value belong together, import again with --group "
                + quote(column)
            )
    able = next((c for c in table.column_names if _could_be_id(table[c])), None)
    report.notes.append(
        "id: no column with a usual name gives each record an id of its own, so the rows are "
        "numbered in their order; choose a column with --id COLUMN"
        + (f", for example {able!r}" if able is not None else "")
    )
    return None


def numbered_rows(table: pa.Table) -> tuple[pa.Table, str]:
    """Number the rows in a new column."""
    taken = {c.strip().casefold() for c in table.column_names}
    name = next(n for n in ("id", "row", *(f"row_{i}" for i in range(2, 10**6))) if n not in taken)
    width = len(str(table.num_rows - 1))
    numbers = pa.array([f"r{i:0{width}}" for i in range(table.num_rows)])
    return table.add_column(0, name, numbers), name


def _could_be_id(column: pa.ChunkedArray) -> bool:
    """Whether each cell is a whole number or a word of its own."""
    kind = column.type
    texts = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if column.null_count or not (texts or pa.types.is_integer(kind)):
        return False
    if texts and not pc.all(pc.match_substring_regex(column, r"^\S+$")).as_py():
        return False
    return bool(pc.count_distinct(column).as_py() == len(column))


def _unfit(cells: list[str | None]) -> str:
    """Why cells cannot be ids; empty if they can."""
    if empty := sum(c is None for c in cells):
        return f"{empty:,} of its {len(cells):,} cells {'is' if empty == 1 else 'are'} empty"
    counts = Counter(cells)
    if len(counts) == len(cells):
        return ""
    value, times = counts.most_common(1)[0]
    return f"{len(cells) - len(counts):,} of its values repeat; {value!r} occurs {times} times"
