"""Checks that the stored types of columns fit the manifest."""

from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from components.data.manifest import Manifest
from components.data.splits import SPLITS

_EXACT = 2**53
"""Up to here a floating-point number holds every whole number."""


def schema_problems(
    schema: pa.Schema, manifest: Manifest, columns: Sequence[str] | None = None
) -> list[str]:
    """One message for each column whose stored type contradicts the manifest.

    Args:
        schema: stored types, without dictionaries and views (see ``data.columns``).
        manifest: what the columns mean.
        columns: the columns to check; by default all that the manifest names.
    """
    problems = []
    checked = manifest.used if columns is None else columns

    def demand(column: str | None, allowed: Callable[[pa.DataType], bool], wanted: str) -> None:
        if column in checked and not allowed(kind := schema.field(column).type):
            problems.append(f"column {column!r}: got type {kind}, wanted {wanted}")

    sets = manifest.target.cells == "set"
    for role in (manifest.id, manifest.group, None if sets else manifest.target.column):
        demand(role, _is_named, "text, numbers, true/false or dates")
    if sets and manifest.target.separator is None:
        wanted = "a list of texts or numbers; or name the `target.separator` of sets stored as text"
        demand(manifest.target.column, lambda kind: _is_set(kind) and not _is_text(kind), wanted)
    elif sets:
        demand(manifest.target.column, _is_set, "text with the separator, or a list of texts")
    demand(manifest.time, _is_moment, "texts such as 2026-01-31T09:30:00Z, dates or timestamps")
    demand(manifest.split.column, _is_text, f"text: {', '.join(SPLITS)}")
    for modality in manifest.modalities.values():
        if modality.raw != "fields":
            demand(modality.column, *_ALONE[modality.raw])
        for column, spec in (modality.columns or {}).items():
            demand(column, *_FIELDS[spec.type])
    return problems


def inexact_columns(table: pa.Table, manifest: Manifest) -> set[str]:
    """Columns of numbers with whole numbers beyond 2^53, which are more likely codes."""
    found = set()
    for modality in manifest.modalities.values():
        for column, spec in (modality.columns or {}).items():
            whole = spec.type == "number" and pa.types.is_integer(table[column].type)
            ends = pc.min_max(table[column]).as_py().values() if whole else ()
            if any(end is not None and abs(end) > _EXACT for end in ends):
                found.add(column)
    return found


def _is_text(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_null(kind))


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_number(kind: pa.DataType) -> bool:
    types = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean)
    return pa.types.is_null(kind) or any(of_type(kind) for of_type in types)


def _is_named(kind: pa.DataType) -> bool:
    """Whether each value of the type has one text (see ``core.values.as_text``)."""
    dates = (pa.types.is_date, pa.types.is_timestamp, pa.types.is_time)
    return _is_text(kind) or _is_number(kind) or any(of_type(kind) for of_type in dates)


def _is_moment(kind: pa.DataType) -> bool:
    return _is_text(kind) or pa.types.is_date(kind) or pa.types.is_timestamp(kind)


def _is_set(kind: pa.DataType) -> bool:
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _is_named(kind.value_type)
    return _is_text(kind)


_ALONE: dict[str, tuple[Callable[[pa.DataType], bool], str]] = {
    "bytes": (lambda kind: _is_text(kind) or _is_bytes(kind), "paths (text) or bytes"),
    "text": (_is_text, "text"),
}
"""Raw type of a modality in one column to the stored types that it may have."""
_FIELDS: dict[str, tuple[Callable[[pa.DataType], bool], str]] = {
    "number": (_is_number, "numbers; convert it, or declare it a category"),
    "category": (_is_named, "text, numbers, true/false or dates"),
    "set": (_is_set, "text with a separator, or a list of texts, numbers or dates"),
}
"""Type of a field to the stored types that it may have, and their description."""
