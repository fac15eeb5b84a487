"""What is written of each record of a batch: classes or vectors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import pyarrow as pa

from components.prediction.classifier import Record

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Form(Generic[T]):
    """The columns of a file, and where its rows come from.

    Attributes:
        schema: its columns; the second one is null where a record has no answer.
        ask: the answers of records that have a value, in order.
        row: a row, from a record's id, its answer (None without a value) and why values were left
            out.
    """

    schema: pa.Schema
    ask: Callable[[Sequence[Record]], Sequence[T]]
    row: Callable[[str | None, T | None, list[str]], dict[str, Any]]
