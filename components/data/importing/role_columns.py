"""Columns that may have a role, by their names, and their cells as text."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa

from components.core.errors import UserError
from components.core.values import as_text, is_empty

NAMES = {
    "id": ("id", "record_id", "key", "uid"),
    "label": ("label", "class", "target", "category", "y", "labels", "classes"),
    "group": ("group", "group_id"),
    "split": ("split", "subset", "partition", "fold"),
}
"""Usual names of the roles, the likeliest first."""


def columns_for(table: pa.Table, role: str, named: Mapping[str, str]) -> list[str]:
    """Columns that may have a role: the one the user names, else those with a usual name."""
    if role in named:
        return [named[role]]
    usual = NAMES[role]
    found = [c for c in table.column_names if c.strip().casefold() in usual]
    return sorted(found, key=lambda c: (usual.index(c.strip().casefold()), c not in usual))


def first_for(table: pa.Table, role: str, named: Mapping[str, str]) -> str | None:
    """The likeliest of them."""
    return next(iter(columns_for(table, role, named)), None)


def texts_of(table: pa.Table, column: str, source: Path) -> list[str | None]:
    """The cells of a column as they stand.

    Raises:
        UserError: a cell has no text.
    """
    try:
        return [None if is_empty(v) else as_text(v) for v in table[column].to_pylist()]
    except ValueError as error:
        kind = table[column].type
        raise UserError(
            f"{source}: column {column!r}: got {kind}, wanted one text or number in each cell "
            f"({error}); name another column with --label, --id, --group or --split"
        ) from error


def listed(values: Iterable[str], most: int = 5) -> str:
    """The first values, and how many more there are."""
    values = list(values)
    some = ", ".join(repr(v) for v in values[:most])
    return some if len(values) <= most else f"{some} and {len(values) - most:,} more"
