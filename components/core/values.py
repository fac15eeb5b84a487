"""Cells of tables: which are empty, and the text of one that is kept as it stands."""

import math
from datetime import date, datetime, time


def is_empty(value: object) -> bool:
    """Whether a cell has no value: null, not a number, not a time, or blank text.

    >>> [is_empty(v) for v in (None, float("nan"), "  ", "NA", 0, False, [])]
    [True, True, True, False, False, False, False]
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return True
    return (isinstance(value, float) and math.isnan(value)) or type(value).__name__ == "NaTType"


def as_text(value: object) -> str:
    """The text of an id, class, group or category, as its column shows it.

    A whole number is written without a point even where its column holds floats, since a table
    writer makes floats of whole numbers as soon as one cell is empty.

    >>> [as_text(v) for v in ("01067", 7, 7.0, 2.5, True)]
    ['01067', '7', '7', '2.5', 'true']

    Raises:
        ValueError: a list, a mapping or bytes that are not UTF-8.
    """
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
