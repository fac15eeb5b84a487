"""The file of answers: its columns, its rows, and the same bytes however the work is cut."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.core.files import file_aside
from components.core.progress import Progress, silent
from components.data.reader import ROWS
from components.parts.contracts import Target
from components.prediction.prediction import Prediction

PROBABILITY = "probability_"
_REASON = "reason"
_TYPES = {
    "string": pa.string(),
    "float64": pa.float64(),
    "list<string>": pa.list_(pa.string()),
}
"""Types of a target's columns, by their names."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many records there were, how many got an answer, and how many of these lack a value.

    A value is lacking if it could not be read; `reason` names it.
    """

    records: int
    answered: int
    partly: int


def schema(target: Target) -> pa.Schema:
    """The columns of answers.

    Those of the target (``label`` and ``confidence``, or ``labels``) and numbers are null where a
    record has no usable modality, and ``reason`` gives the cause. ``ood_score`` tells how far it is
    from training records, see ``Prediction``. ``modalities`` are those that the
    answer is based on; ``reason`` also names values that had to be left out of an answer.
    """
    columns = [pa.field(name, _TYPES[kind]) for name, kind in target.columns()]
    numbers = [field for field in columns if field.name.startswith(PROBABILITY)]
    return pa.schema(
        [
            pa.field("id", pa.string()),
            *(field for field in columns if field not in numbers),
            pa.field("ood_score", pa.float64()),
            pa.field("abstained", pa.bool_()),
            pa.field("modalities", pa.list_(pa.string())),
            pa.field("reason", pa.string()),
            *numbers,
        ]
    )


def answer_row(
    record: str | None, answer: Prediction | None, reasons: list[str], target: Target
) -> dict[str, Any]:
    """One row of the file.

    Args:
        record: its id.
        answer: the model's; None where no modality can be used.
        reasons: why values were left out.
        target: what is predicted.
    """
    row: dict[str, Any] = {"id": record, "modalities": [], "reason": "; ".join(reasons) or None}
    if answer is None:
        return row
    probabilities = np.array([answer.probabilities[name] for name in target.classes])
    told = {"ood_score": answer.ood_score, "abstained": answer.abstained}
    return row | target.row(probabilities) | told | {"modalities": list(answer.modalities)}


def write(
    tables: Iterable[pa.Table],
    columns: pa.Schema,
    out: Path,
    count: int,
    progress: Progress = silent,
) -> Counts:
    """Write answers into a file: the same bytes however the tables are cut.

    The second column is null where there is no answer.
    """
    done = answered = partly = 0
    with file_aside(out) as aside, pq.ParquetWriter(aside, columns) as writer:
        for table in regrouped(tables, ROWS):
            writer.write_table(table, row_group_size=ROWS)
            done += len(table)
            has = pc.is_valid(table[columns.names[1]])
            answered += pc.sum(has).as_py()
            partly += pc.sum(pc.and_(has, pc.is_valid(table[_REASON]))).as_py()
            progress("predict", done, count)
    return Counts(records=done, answered=answered, partly=partly)


def regrouped(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """The same rows in tables of ``rows`` rows each, the last one shorter."""
    held, count = [], 0
    for table in tables:
        held.append(table)
        count += len(table)
        while count >= rows:
            joined = pa.concat_tables(held, promote_options="permissive")
            yield joined.slice(0, rows).combine_chunks()
            held, count = [joined.slice(rows)], count - rows
    if count:
        yield pa.concat_tables(held, promote_options="permissive").combine_chunks()
