"""How a column is used: as a modality, as a field of one, or not at all."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from components.core.moments import seconds_of
from components.core.values import is_empty
from components.data.importing.media_kinds import kinds_with
from components.data.importing.numbers import amounts, as_numbers
from components.data.importing.path_columns import kind_of_paths
from components.parts import loading as parts
from components.parts.guess import Column

_SAMPLE, _BLOBS = 1000, 20
"""Number of texts and of byte strings that a guess examines; counts are of all cells."""
_INDEX = re.compile(r"__index_level_\d+__|unnamed: \d+(_level_\d+)?|level_\d+", re.IGNORECASE)
"""Names that pandas gives to the index of a table."""
NUMBERING = "whole numbers that are all different, as ids and row numbers are"
"""Why a column that may be a running number is not used."""
SHORT_TEXTS = (
    "too many for categories, and codes, dates or names rather than text; "
    "a modality of kind text would read them"
)
"""Ends the reason why a column of short texts is not used."""


@dataclass(frozen=True)
class Use:
    """How a column is used: as a modality of its own, or as a field of a kind with fields."""

    kind: str
    type: str
    """``modality``, or the type of the field."""


def use_of(
    name: str,
    column: pa.ChunkedArray,
    base: Path,
    *,
    outside: bool = False,
    numbering: bool = False,
) -> Use | str:
    """How the first kind that recognises a column would use it, or why none does.

    Kinds of media come first, then kinds with fields, because a few short texts that recur are more
    likely categories than text.

    Args:
        name: the column's name.
        column: its cells.
        base: the folder that paths are relative to.
        outside: whether paths may lead out of that folder.
        numbering: whether whole numbers that are all different are used too.
    """
    seen = _seen(column)
    if seen.cells == 0:
        return "all its cells are empty"
    if seen.is_number:
        if _INDEX.fullmatch(name.strip()):
            return "the index of a table, which gives the place of a record and not its content"
        if not numbering and _is_numbering(column):
            return NUMBERING
    if seen.texts:
        found, why = kind_of_paths(seen.texts, base, outside=outside)
        if found or why:
            return Use(found, "modality") if found else why
    for kind in kinds_with("bytes", "fields", "text"):
        if (found := parts.load("kinds", kind).guess(seen)) is not None:
            return Use(kind, found)
    return _why_none(name, seen, column)


def is_bytes(column: pa.ChunkedArray) -> bool:
    """Whether a column holds bytes."""
    return bool(pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type))


def _seen(column: pa.ChunkedArray) -> Column:
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        given = [v for v in column.unique().to_pylist() if not is_empty(v)]
        blank = pc.sum(pc.equal(pc.utf8_trim_whitespace(column), "")).as_py() or 0
        return Column(
            texts=tuple(_spread(given, _SAMPLE)),
            cells=len(column) - column.null_count - blank,
            distinct=len(given),
        )
    if is_bytes(column):
        cells = column.filter(pc.greater(pc.binary_length(column), 0))
        blobs = (cells[row].as_py() for row in _spread(range(len(cells)), _BLOBS))
        return Column(blobs=tuple(blobs), cells=len(cells))
    if pa.types.is_floating(kind):
        column = column.filter(pc.invert(pc.is_nan(column)))
    numeric = (pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating)
    return Column(
        is_number=any(test(kind) for test in numeric),
        is_list=pa.types.is_list(kind) and pa.types.is_string(kind.value_type),
        cells=len(column) - column.null_count,
    )


def _spread(values: Sequence[Any], most: int) -> Sequence[Any]:
    """At most so many values, from the first to the last."""
    return values[:: -(-len(values) // most) or 1]


def _is_numbering(column: pa.ChunkedArray) -> bool:
    if pa.types.is_boolean(column.type):
        return False
    given = column.drop_null()
    if pa.types.is_floating(given.type):
        given = given.filter(pc.invert(pc.is_nan(given)))
        if not pc.all(pc.equal(pc.floor(given), given)).as_py():
            return False
    return len(given) > 1 and len(given.unique()) == len(given)


def _are_moments(seen: Column, column: pa.ChunkedArray) -> bool:
    """Whether all cells are times or dates."""
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return True
    try:
        return all(seconds_of(text) is not None for text in seen.texts) and bool(seen.texts)
    except ValueError:
        return False


def _why_none(name: str, seen: Column, column: pa.ChunkedArray) -> str:
    if seen.blobs:
        return f"bytes that no kind reads; they begin with {seen.blobs[0][:8].hex(' ')}"
    if seen.texts and as_numbers(column) is not None:
        return "numbers that are stored as text; store them as numbers if they are amounts"
    if _are_moments(seen, column):
        return f"times; with `time: {name}` in the manifest, searches can filter by them"
    if seen.texts:
        if dressed := amounts(seen.texts):
            return (
                f"numbers with separators or signs ({_some(dressed)}); write plain ones such as "
                "1234.5 and import again if they are amounts"
            )
        return (
            f"{seen.distinct:,} different short texts in {seen.cells:,} cells "
            f"({_some(seen.texts)}): {SHORT_TEXTS}"
        )
    return f"{column.type}, which no kind reads"


def _some(texts: Sequence[str]) -> str:
    return ", ".join(repr(text[:30]) for text in texts[:2])
