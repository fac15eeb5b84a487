"""Feedback as a table that ``concord data import`` takes: one row for each item with a label."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.core.files import file_aside
from components.data.importing.dataset import ABOUT_THE_LABEL
from components.data.manifest import RESERVED
from serving.store import payloads
from serving.store.said import Given

_SOURCE = "feedback"
_ABOUT = ("label_source", "label_time", "label_token", "answered_by", "answered_by_version")


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What a file of feedback holds, and what it does not."""

    rows: int
    with_values: int
    """Rows that have the values of their record; the others have its id alone."""
    disputed: int
    """Items of which several tokens say different things: the last word counts."""
    unlabelled: int
    """Feedback without a label: judgements of hits, and notes."""


def export(
    given: Sequence[Given],
    out: Path,
    values: Callable[[str], Mapping[str, Any] | None] = lambda _: None,
) -> Exported:
    """Write the labels that were given, the latest of each item.

    The id is that of the record, else of the answer. Values are columns named by modality, and the
    fields of a modality of fields columns of their own. Those that tell where a label is from are
    marked, so that an import makes no features of them.

    Args:
        given: oldest first.
        out: the Parquet file to write.
        values: the values of a record of the index, where they are known.

    Raises:
        OSError: the file cannot be written.
    """
    labelled = [g for g in given if g.labels is not None]
    last = {g.record or g.answer or "": g for g in labelled}
    said: dict[str, set[tuple[str, ...]]] = {}
    for g in labelled:
        said.setdefault(g.record or g.answer or "", set()).add(tuple(g.labels or ()))
    records = [_values(g, values) for g in last.values()]
    multi = any(g.multi for g in last.values())
    columns: dict[str, pa.Array] = {
        "id": pa.array(list(last), pa.string()),
        "label": pa.array(
            [g.labels if multi else next(iter(g.labels or ()), None) for g in last.values()],
            pa.list_(pa.string()) if multi else pa.string(),
        ),
        **_columns(records),
    }
    about = _about(list(last.values()))
    fields = [pa.field(name, column.type) for name, column in columns.items()]
    fields += [pa.field(n, c.type, metadata=ABOUT_THE_LABEL) for n, c in about.items()]
    table = pa.table([*columns.values(), *about.values()], schema=pa.schema(fields))
    with file_aside(out) as aside:
        pq.write_table(table, aside)
    return Exported(
        rows=len(last),
        with_values=sum(map(bool, records)),
        disputed=sum(len(words) > 1 for words in said.values()),
        unlabelled=len(given) - len(labelled),
    )


def _about(given: Sequence[Given]) -> dict[str, pa.Array]:
    """The columns with the origin of each label."""
    times = [datetime.fromtimestamp(g.time, UTC) for g in given]
    cells = (
        pa.array([_SOURCE] * len(given), pa.string()),
        pa.array(times, pa.timestamp("us", "UTC")),
        pa.array([g.token for g in given], pa.string()),
        pa.array([g.model for g in given], pa.string()),
        pa.array([g.version for g in given], pa.int64()),
    )
    return dict(zip(_ABOUT, cells, strict=True))


def _values(
    given: Given, known: Callable[[str], Mapping[str, Any] | None]
) -> dict[str, dict[str, Any]]:
    """Modality to column to cell: one column of its name, or one for each field."""
    record: Mapping[str, Any] = {}
    if given.payload is not None:
        record = payloads.read(given.payload)
    elif given.record is not None:
        record = known(given.record) or {}
    return {
        name: dict(value) if isinstance(value, Mapping) else {name: value}
        for name, value in record.items()
    }


def _columns(records: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, pa.Array]:
    """The columns of all modalities; a name that two have, or a role has, gets its modality's."""
    pairs = {(m, c): None for record in records for m, cells in record.items() for c in cells}
    times, taken = Counter(column for _, column in pairs), {*RESERVED, *_ABOUT}
    return {
        f"{modality}.{column}" if times[column] > 1 or column in taken else column: _cells(
            [record.get(modality, {}).get(column) for record in records]
        )
        for modality, column in pairs
    }


def _cells(cells: list[Any]) -> pa.Array:
    """Cells of one type, else as text."""
    try:
        return pa.array(cells)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if cell is None else str(cell) for cell in cells], pa.string())
