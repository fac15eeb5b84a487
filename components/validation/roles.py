"""The roles of records as the rules read them: split, visible label, occurrence of the id."""

from collections import Counter
from collections.abc import Sequence

import pyarrow as pa

from components.core.moments import WANTED, seconds_of
from components.core.values import texts
from components.data.labels import Label
from components.data.manifest import Manifest
from components.data.splits import assign


def splits_of(batch: pa.RecordBatch | pa.Table, manifest: Manifest) -> list[str | None]:
    """Split of each record: from the split column, else by hash of the group, else of the id.

    It is None where that value is missing.
    """
    if manifest.split.column is not None:
        return texts(batch.column(manifest.split.column).to_pylist())
    keys = texts(batch.column(manifest.group or manifest.id).to_pylist())
    return [
        s if k is not None else None
        for k, s in zip(keys, assign([k or "" for k in keys], manifest.split), strict=True)
    ]


def times_of(
    batch: pa.RecordBatch | pa.Table, manifest: Manifest
) -> tuple[list[float | None], list[str | None]]:
    """Seconds since 1970 of each record, and why a cell cannot be read (empty: it can be)."""
    found: list[float | None] = [None] * batch.num_rows
    said: list[str | None] = [None] * batch.num_rows
    if manifest.time is None:
        return found, said
    for row, cell in enumerate(batch.column(manifest.time).to_pylist()):
        try:
            found[row] = seconds_of(cell)
            said[row] = None if found[row] is None else ""
        except (ValueError, OverflowError):
            said[row] = f"{manifest.time}: got {str(cell)[:60]!r}, wanted {WANTED}"
    return found, said


def visible_labels(
    labels: Sequence[Label | None],
    splits: Sequence[str | None],
    ids: Sequence[str | None],
    seen: frozenset[str] | None,
) -> list[Label | None]:
    """Labels that the run may see: all of val and test, and of train those in ``seen``.

    If ``seen`` is None, all training labels are visible.
    """
    if seen is None:
        return list(labels)
    return [
        label if split in ("val", "test") or key in seen else None
        for label, split, key in zip(labels, splits, ids, strict=True)
    ]


def told_labels(labels: Sequence[Label | None], classes: Sequence[str] | None) -> list[str | None]:
    """Labels as the rule ``label known`` reads them; of a set the first class that is unknown."""
    known = None if classes is None else frozenset(classes)
    return [
        next((c for c in label if known is not None and c not in known), None)
        if isinstance(label, list)
        else label
        for label in labels
    ]


def occurrences(ids: Sequence[str | None], before: Counter[str]) -> list[int | None]:
    """1-based occurrence number of each id; updates the counts in ``before``."""
    result: list[int | None] = []
    for key in ids:
        if key is None:
            result.append(None)
        else:
            before[key] += 1
            result.append(before[key])
    return result
