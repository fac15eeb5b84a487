"""Which columns of a modality of fields have values, split by split."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from components.data.manifest import Manifest
from components.data.splits import SPLITS
from components.validation.rules import MOST_NAMED


def given_fields(
    table: pa.Table, rows: Sequence[int], splits: Sequence[str], manifest: Manifest
) -> Counter[tuple[str, str, str]]:
    """Number of records with a value by (split, modality, column), of columns without a default.

    Args:
        table: records.
        rows: ``(k,)`` those that count.
        splits: ``(k,)`` the split of each.
        manifest: what the columns mean.
    """
    found: Counter[tuple[str, str, str]] = Counter()
    of = {split: np.array(rows, np.int64)[np.array(splits) == split] for split in set(splits)}
    for name, modality in manifest.modalities.items():
        for column, spec in (modality.columns or {}).items():
            if spec.null == "missing":
                given = _given(table[column])
                found.update({(s, name, column): int(given[at].sum()) for s, at in of.items()})
    return found


def _given(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Which cells are neither null, nor NaN, nor blank ``(n,)``."""
    given = pc.is_valid(column)
    if pa.types.is_floating(column.type):
        given = pc.and_(given, pc.invert(pc.fill_null(pc.is_nan(column), True)))
    elif pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        given = pc.and_(
            given, pc.fill_null(pc.not_equal(pc.utf8_trim_whitespace(column), ""), False)
        )
    return np.asarray(given)


def one_sided(
    given: Mapping[tuple[str, str, str], int], present: Mapping[tuple[str, str], int]
) -> list[str]:
    """Warnings about columns that have values in training or test records alone.

    Args:
        given: number of records with a value by (split, modality, column).
        present: number of records that have the modality by (split, modality).
    """
    said = []
    columns: dict[str, dict[str, set[str]]] = {}
    for (split, name, column), count in given.items():
        lacking = columns.setdefault(name, {s: set() for s in SPLITS})
        if not count and present.get((split, name), 0):
            lacking[split].add(column)
    for name, without in sorted(columns.items()):
        if never := without["train"]:
            said.append(
                f"no training record has a value of {_named(never)} of {name}: "
                "the model cannot learn what values there mean"
            )
        if gone := without["test"] - without["train"]:
            said.append(
                f"training records have values of {_named(gone)} of {name}, and no test record has "
                "one; if service will not have them either, leave them out of the manifest"
            )
    return said


def _named(columns: set[str]) -> str:
    named = ", ".join(map(repr, sorted(columns)[:MOST_NAMED]))
    more = f" and {len(columns) - MOST_NAMED} more" if len(columns) > MOST_NAMED else ""
    return f"{'column' if len(columns) == 1 else 'columns'} {named}{more}"
