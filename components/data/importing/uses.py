"""How a column is used: as a modality, as a field of one, or not at all."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from components.parts import loading as parts
from components.parts.guess import Column

_SAMPLE = 1000
"""Number of cells that a guess examines."""


@dataclass(frozen=True)
class Use:
    """How a column is used: as a modality of its own, or as a field of a kind with fields."""

    kind: str
    type: str
    """``modality``, or the type of the field."""


def kinds_with(*raws: str) -> list[str]:
    """Names of the offered kinds with one of these raw types, in the order of the types."""
    offered = {name: parts.load("kinds", name).RAW for name in parts.available("kinds")}
    return [name for raw in raws for name, its in offered.items() if its == raw]


def use_of(column: pa.ChunkedArray, base: Path) -> Use | str:
    """How the first kind that recognises a column would use it, or why none does.

    Kinds of media come first, then
    kinds with fields, because a few short texts that recur are more likely categories than text.
    """
    if column.null_count == len(column):
        return "all its cells are empty"
    seen = _seen(column, base)
    for name in kinds_with("bytes", "fields", "text"):
        if (found := parts.load("kinds", name).guess(seen)) is not None:
            return Use(name, found)
    return "no kind reads it"


def _seen(column: pa.ChunkedArray, base: Path) -> Column:
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
        texts = tuple(str(v) for v in column.drop_null().slice(0, _SAMPLE).to_pylist())
        return Column(texts=texts, is_file=lambda v: (base / v).is_file())
    numeric = (pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    return Column(is_bytes=is_bytes(column), is_number=any(test(kind) for test in numeric))


def is_bytes(column: pa.ChunkedArray) -> bool:
    """Whether a column holds bytes."""
    return bool(pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type))
