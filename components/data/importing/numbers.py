"""Columns of text whose cells are all numbers, as programs write them."""

import re
from collections import Counter
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

MARKERS = (
    *("NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NAN"),
    *("null", "NULL", "None", r"\N", "-", "?"),
)
"""What programs write for a missing number; among words these are words."""
LARGEST_WHOLE = 2**53
"""Beyond it not every whole number has a float of its own."""
# Zeros in front are part of a code; an exponent has a sign, or a point before it, where a program
# wrote it: 12e5 is a code.
_WHOLE = r"-?(?:0|[1-9][0-9]*)"
_NUMBER = rf"^(?:{_WHOLE}(?:[eE][+-][0-9]+)?|{_WHOLE}?\.[0-9]+(?:[eE][+-]?[0-9]+)?|-\.[0-9]+)$"
_DRESSED = re.compile(
    r"[-+(]{0,2}[$\u20ac\u00a3\u00a5\u20b9]?\s*-?(?:0|[1-9][0-9]*)(?:[.,'\u2019\s][0-9]{3})*"
    r"(?:[.,][0-9]+)?\s*[%$\u20ac\u00a3\u00a5\u20b9]?\)?"
)
"""Amounts as people write them: thousands apart, a decimal comma, a currency, per cent."""
_MOST_ODD, _NAMED = 0.1, 3
"""Largest share of odd cells in a column that is nearly numeric, and how many are named."""


def as_numbers(
    column: pa.ChunkedArray, decimal_comma: bool = False
) -> tuple[pa.ChunkedArray, dict[str, int]] | None:
    """Read all cells as numbers.

    Args:
        column: text.
        decimal_comma: numbers may have a comma for the point.

    Returns:
        Whole numbers or floats, and how often which marker was read as empty. None if some other
        cell is no plain decimal number, or one that neither form holds.
    """
    cells, given = _given(column, decimal_comma)
    marked = pc.is_in(cells, pa.array(MARKERS))
    numbers = pc.match_substring_regex(cells, _NUMBER)
    if not pc.any(numbers).as_py() or not pc.all(pc.or_(numbers, pc.or_(marked, given))).as_py():
        return None
    markers = Counter(pc.filter(cells, marked).to_pylist())
    cells = pc.if_else(numbers, cells, None)
    try:
        result = _converted(cells)
    except pa.ArrowInvalid:  # more digits than a whole number of 64 bits has
        return None
    return None if result is None else (result, dict(markers))


def nearly_numbers(column: pa.ChunkedArray, decimal_comma: bool = False) -> str:
    """The few odd cells that make a column of numbers one of text; empty if they are many."""
    return odd_cells(column, decimal_comma, most=_MOST_ODD)


def odd_cells(column: pa.ChunkedArray, decimal_comma: bool = False, *, most: float = 1.0) -> str:
    """The cells that are not numbers, by row; empty if they are more than this share, or none."""
    cells, empty = _given(column, decimal_comma)
    fine = pc.or_(
        pc.match_substring_regex(cells, _NUMBER), pc.or_(pc.is_in(cells, pa.array(MARKERS)), empty)
    )
    odd = pc.indices_nonzero(pc.invert(fine))
    given = len(cells) - pc.sum(empty).as_py()
    if not 0 < len(odd) <= most * given:
        return ""
    named = [f"{column[row].as_py()!r:.40} in row {row + 1:,}" for row in odd[:_NAMED].to_pylist()]
    more = f" and {len(odd) - _NAMED:,} more" if len(odd) > _NAMED else ""
    are = "is not a number" if len(odd) == 1 else "are not numbers"
    return f"text, for {len(odd):,} of its {given:,} cells {are}: {', '.join(named)}{more}"


def amounts(texts: Sequence[str]) -> list[str]:
    """Numbers as people write them, which are not read; none if other texts are among them.

    >>> [amounts([text, "900"]) for text in ("1.234,50", "12 %", "01.02.2024", "007")]
    [['1.234,50'], ['12 %'], [], []]
    """
    given = [text.strip() for text in texts if text.strip() not in MARKERS]
    if not all(map(_DRESSED.fullmatch, given)):
        return []
    return [text for text in given if not re.match(_NUMBER, text)]


def _given(column: pa.ChunkedArray, decimal_comma: bool) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Cells without blanks around them, and which of them are empty."""
    cells = pc.fill_null(pc.utf8_trim_whitespace(column.cast(pa.large_string())), "")
    if decimal_comma:
        cells = pc.replace_substring_regex(cells, r"^(-?[0-9]+),([0-9]+)$", r"\1.\2")
    return cells, pc.equal(cells, "")


def _converted(cells: pa.ChunkedArray) -> pa.ChunkedArray | None:
    whole = pc.match_substring_regex(cells, f"^{_WHOLE}$")
    integers = pc.filter(cells, pc.fill_null(whole, False)).cast(pa.int64())
    if len(integers) and pc.max(pc.abs(integers)).as_py() > LARGEST_WHOLE:
        return None
    if pc.all(whole).as_py():
        return cells.cast(pa.int64())
    floats = cells.cast(pa.float64())
    return floats if pc.all(pc.is_finite(floats)).as_py() else None
