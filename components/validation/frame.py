"""The pandas frame that the rules check."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from components.data.manifest import Manifest
from components.validation.examine import Chunk
from components.validation.roles import told_labels
from components.validation.rules import OCCURRENCE, PRESENT, WHEN, readable


def frame_of(chunk: Chunk, manifest: Manifest) -> Any:  # noqa: ANN401
    """The frame of a chunk of records.

    It has the roles as text, the columns of tabular modalities and the findings of the checks, but
    no media.
    """
    import pandas as pd

    from components.validation.expectations import ROW

    roles = _roles(chunk, manifest)
    found = {readable(modality): said for modality, said in chunk.readable.items()}
    if manifest.time is not None:
        found[WHEN] = chunk.timed
    columns: dict[str, Any] = {ROW: range(chunk.first, chunk.first + chunk.table.num_rows)}
    columns |= {name: _values(chunk.table[name]) for name in manifest.used}
    columns |= {**roles, OCCURRENCE: chunk.occurrence, **found}
    columns[PRESENT] = [
        sum(v is not None for v in row) for row in zip(*chunk.readable.values(), strict=True)
    ]
    objects = {*roles, *found}
    return pd.DataFrame(
        {n: pd.Series(v, dtype=object) if n in objects else v for n, v in columns.items()}
    )


def _roles(chunk: Chunk, manifest: Manifest) -> dict[str, Sequence[str | None]]:
    """The values of the columns that have a role, as text."""
    roles: dict[str, Sequence[str | None]] = {manifest.id: chunk.ids}
    if manifest.target.column is not None:
        roles[manifest.target.column] = told_labels(chunk.labels, manifest.target.classes)
    if manifest.group is not None:
        roles[manifest.group] = chunk.groups
    if manifest.split.column is not None:
        roles[manifest.split.column] = chunk.splits
    return roles


def _values(column: pa.ChunkedArray) -> Any:  # noqa: ANN401
    """A column for the frame; of media and lists only whether a cell is empty."""
    bulky = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_nested)
    if any(of_type(column.type) for of_type in bulky):
        return [None if null else "" for null in column.is_null().to_pylist()]
    return _series(column)


def _series(column: pa.ChunkedArray) -> Any:  # noqa: ANN401
    """A column in pandas' own types.

    Booleans with gaps, decimals and columns without any value become numbers.
    """
    if (
        pa.types.is_boolean(column.type)
        or pa.types.is_decimal(column.type)
        or pa.types.is_null(column.type)
    ):
        column = column.cast(pa.float64())
    return column.to_pandas()
