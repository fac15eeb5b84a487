"""Reads CSV and TSV: every cell is text, as it stands."""

import csv
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Literal

import pyarrow as pa

from components.core.errors import UserError
from components.data.importing.encodings import opened
from components.data.importing.numbers import as_numbers
from components.data.importing.report import Report

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_DECLARED = re.compile(r"sep=([,;\t|])")
_HEAD_ROWS = 100
_ROWS = 20_000
"""Rows that become one chunk of the table."""
_MOST_NAMED = 3

Quoting = Literal[0, 3]
"""``csv.QUOTE_MINIMAL`` or ``csv.QUOTE_NONE``, which are plain numbers to a type checker."""
Row = tuple[int, list[str]]
"""Number of the line where a row begins, and its cells."""


class _Unreadable(ValueError):
    """A row that cannot be read: where, and why."""


def read_delimited(
    source: Path, usual: str, encoding: str | None, report: Report
) -> tuple[pa.Table, str]:
    """Read all cells as text; no cell is taken for a number or as missing.

    Args:
        source: the file.
        usual: the delimiter that its name promises; another is recognised by the first rows.
        encoding: as the user names it; by default UTF-8, or UTF-16 with its mark.
        report: receives what was not as usual.

    Returns:
        The table and its delimiter.

    Raises:
        UserError: rows of different lengths, faulty quotes, or bytes that are not text.
    """
    with opened(source, encoding) as file:
        head = list(islice(file, _HEAD_ROWS))
    if not head:
        raise UserError(f"{source} is empty")
    declared = _declared(head[0])
    delimiter = declared or _delimiter(head, usual)
    if delimiter != usual:
        report.notes.append(f"cells: they are separated by {_DELIMITERS[delimiter]}")
    try:
        return _read(source, encoding, delimiter, csv.QUOTE_MINIMAL, report), delimiter
    except _Unreadable as quoted:
        # Many writers of TSV do not quote: a quote at the beginning of a cell is one of its signs.
        if delimiter == "\t":
            try:
                table = _read(source, encoding, delimiter, csv.QUOTE_NONE, report)
            except _Unreadable:
                pass
            else:
                report.notes.append(f"cells: quotes are ordinary characters, because of {quoted}")
                return table, delimiter
        raise UserError(f"{source}: {quoted}") from quoted


def _declared(line: str) -> str:
    """The delimiter that Excel's own first line, such as ``sep=;``, declares; else empty."""
    found = _DECLARED.fullmatch(line.strip('\r\n "').casefold())
    return found[1] if found else ""


def _delimiter(head: list[str], usual: str) -> str:
    """The delimiter that divides the first rows into the most columns, evenly."""
    columns: dict[str, int] = {}
    for delimiter in (usual, *(d for d in _DELIMITERS if d != usual)):
        reader = csv.reader(iter(head), delimiter=delimiter)
        counts = Counter(len(row) for row in reader if row)
        header = len(next(csv.reader(iter(head), delimiter=delimiter), []))
        if len(counts) == 1:
            columns[delimiter] = header
    best = max(columns, key=lambda d: columns[d], default=usual)
    return best if columns.get(best, 1) > 1 else usual


def _read(
    source: Path, encoding: str | None, delimiter: str, quoting: Quoting, report: Report
) -> pa.Table:
    csv.field_size_limit(sys.maxsize)
    with opened(source, encoding) as file:
        rows = _rows(file, delimiter, quoting)
        _, header = next(rows, (1, []))
        if _declared(delimiter.join(header)):
            _, header = next(rows, (2, []))
        nameless = _nameless(header)
        names = [nameless.get(place, name) for place, name in enumerate(header)]
        schema = pa.schema([(name, pa.string()) for name in names])
        table = pa.Table.from_batches(list(_batches(rows, schema)), schema)
    for place, name in nameless.items():
        report.notes.append(f"header: column {place + 1} has no name; it is {name!r}")
        found = as_numbers(table.column(place))
        if found is not None and pa.types.is_integer(found[0].type):
            report.columns[name] = "whole numbers without a name, like the index of a table"
    return table


def _rows(file: Iterable[str], delimiter: str, quoting: Quoting) -> Iterator[Row]:
    """Rows with the line where they begin; empty lines are skipped."""
    reader = csv.reader(file, delimiter=delimiter, quoting=quoting, strict=True)
    line = 1
    try:
        for cells in reader:
            if cells:
                if any("\0" in cell for cell in cells):
                    raise _Unreadable(
                        f"line {line}, cell {[chr(0) in c for c in cells].index(True) + 1}: a NUL "
                        "byte, which is not text; remove it, or if the whole file has them, save "
                        "it as UTF-8 or name its encoding in `data import`: --encoding "
                        "utf-16-le or utf-16-be"
                    )
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise _Unreadable(
            f"the row at line {line}: {error}; a cell that begins with a quote must end with "
            "one, and quotes inside it are doubled"
        ) from error


def _batches(rows: Iterator[Row], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    wanted = len(schema)
    ragged: list[str] = []
    while some := list(islice(rows, _ROWS)):
        odd = [(line, len(cells)) for line, cells in some if len(cells) != wanted]
        ragged += [f"line {line} has {count} cells" for line, count in odd]
        if not ragged:
            columns = zip(*(cells for _, cells in some), strict=True)
            arrays = [pa.array([c or None for c in column], pa.string()) for column in columns]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)
    if ragged:
        more = len(ragged) - _MOST_NAMED
        named = ", ".join(ragged[:_MOST_NAMED]) + (f" and {more:,} more lines" if more > 0 else "")
        raise _Unreadable(
            f"{named}; wanted {wanted} in each, as in the header "
            f"({', '.join(map(repr, schema.names))[:200]}); a cell that contains the "
            "delimiter or a line break must be quoted"
        )


def _nameless(header: list[str]) -> dict[int, str]:
    """Names for the places of columns without one."""
    names: dict[int, str] = {}
    for place, name in enumerate(header):
        if not name.strip():
            new = f"column_{place + 1}"
            while new in header:
                new += "_"
            names[place] = new
    return names
