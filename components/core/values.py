"""Cells of tables: which are empty, and the text of one that is kept as it stands."""

import math
from collections.abc import Iterable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

_NO_VALUE = ("NaTType", "NAType")
"""The marks that pandas puts into empty cells."""
_PLAIN = frozenset((str, float, int, bool, bytes, list, dict))
_FRACTIONS = (float, Decimal)


def plain(value: Any) -> Any:  # noqa: ANN401
    """A value that numpy holds as Python's own; every other value unchanged.

    Data frames hold numpy's numbers, times and arrays.
    """
    kind = type(value)
    if kind in _PLAIN or kind.__module__ != "numpy":
        return value
    if value.dtype.kind == "M":  # nanoseconds would become a bare number
        value = value.astype("datetime64[us]")
    return value.tolist()


def is_empty(value: object) -> bool:
    """Whether a cell has no value: null, not a number, not a time, or blank text.

    >>> [is_empty(v) for v in (None, float("nan"), "  ", "NA", 0, False, [])]
    [True, True, True, False, False, False, False]
    """
    if value is None:
        return True
    value = plain(value)
    if isinstance(value, str):
        return not value.strip()
    if isinstance(value, _FRACTIONS):
        return math.isnan(value)
    return value is None or type(value).__name__ in _NO_VALUE


def as_text(value: object) -> str:
    """The text of an id, class, group or category, as its column shows it.

    A whole number is written without a point even where its column holds floats, since a table
    writer makes floats of whole numbers as soon as one cell is empty.

    >>> [as_text(v) for v in ("01067", 7, 7.0, 2.5, True)]
    ['01067', '7', '7', '2.5', 'true']

    Raises:
        ValueError: a list, a mapping or bytes that are not UTF-8.
    """
    value = plain(value)
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list | tuple | dict | set):
        raise ValueError(f"a {type(value).__name__} has no single text")
    return str(value)


def texts(values: Iterable[object]) -> list[str | None]:
    """The text of each id, group, split or label of a column; None where the cell is empty."""
    return [None if is_empty(value) else as_text(value) for value in values]
