"""Reads JSON Lines: one object in each line."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from components.core.errors import UserError
from components.core.values import as_text
from components.data.importing.encodings import opened
from components.data.importing.report import Report


def read_json_lines(source: Path, encoding: str | None, report: Report) -> pa.Table:
    """Read the objects as rows; the columns are all names that occur, in their order.

    Args:
        source: the file.
        encoding: as the user names it; by default UTF-8, or UTF-16 with its mark.
        report: receives the columns whose cells have several types.

    Raises:
        UserError: a line that is not a JSON object, or bytes that are not text.
    """
    rows = []
    with opened(source, encoding) as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                rows.append(_row(source, number, line))
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({n: _column(n, [row.get(n) for row in rows], report) for n in names})


def _row(source: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        where = f"{source}, line {number}, column {error.colno}"
        raise UserError(
            f"{where}: not JSON ({error.msg}); wanted one object in each line"
        ) from error
    except RecursionError as error:
        raise UserError(f"{source}, line {number}: nested too deeply") from error
    if not isinstance(row, dict):
        raise UserError(
            f"{source}, line {number}: got a {type(row).__name__}, wanted an object with columns"
        )
    return row


def _column(name: str, cells: list[Any], report: Report) -> pa.Array:
    try:
        return pa.array(cells)
    except (pa.ArrowException, OverflowError, UnicodeError):
        plain = [c if c is None else _text(c) for c in cells]
        report.notes.append(f"column {name!r}: its cells have several types; all are read as text")
        return pa.array(plain, pa.string())


def _text(cell: object) -> str:
    """The text of any cell; half surrogates become question marks."""
    said = json.dumps(cell, ensure_ascii=False) if isinstance(cell, list | dict) else as_text(cell)
    return said.encode("utf-8", "replace").decode()
