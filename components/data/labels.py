"""The labels of a data set: what its cells hold, and which of them a run may see.

A run's choice is a Parquet file with ids and boolean columns.
"""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.config.run import Labels
from components.core.errors import UserError, unknown_name
from components.core.places import opened
from components.core.values import as_text, is_empty, texts
from components.data.target import Target

Label = str | list[str]
"""A class, or the set of classes as the cell lists them."""


def visible_ids(uri: str, labels: Labels | None, id_column: str = "id") -> frozenset[str] | None:
    """Ids of the records whose training label may be seen; None if all may.

    Args:
        uri: the data set; ``labels.file`` is relative to it.
        labels: the run's choice.
        id_column: the column of ids in the label file; ``id`` is accepted too.

    Raises:
        UserError: the file or column does not exist, or the column is not boolean.
    """
    if labels is None:
        return None
    filesystem, root = opened(uri)
    place = f"{root}/{labels.file}"
    if not filesystem.isfile(place):
        raise UserError(
            f"no label file {labels.file!r} in {uri}; "
            "`data.labels.file` is relative to the data set"
        )
    try:
        with filesystem.open(place, "rb") as file:
            parquet = pq.ParquetFile(file)
            schema = parquet.schema_arrow
            key = id_column if id_column in schema.names else "id"
            offered = [f.name for f in schema if pa.types.is_boolean(f.type)]
            if key not in schema.names:
                raise UserError(
                    f"{labels.file}: {unknown_name('column', key, schema.names)}; "
                    "wanted the record's id"
                )
            if labels.column not in offered:
                raise UserError(
                    f"data.labels.column: {unknown_name('boolean column', labels.column, offered)} "
                    f"in {labels.file}"
                )
            table = parquet.read(columns=[key, labels.column])
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"{labels.file} is not readable Parquet ({error}); write it again"
        ) from error
    chosen = table.filter(pc.fill_null(table[labels.column], False))
    try:
        return frozenset(text for text in texts(chosen[key].to_pylist()) if text is not None)
    except ValueError as error:
        raise UserError(
            f"{labels.file}, column {key!r}: {error}; wanted the record's id: text or a number"
        ) from error


def given_labels(batch: pa.RecordBatch | pa.Table, target: Target) -> list[Any]:
    """The label of each record as its cell holds it: a class or a set of classes, else None.

    Args:
        batch: records with the target's column, if it has one.
        target: what the column means.
    """
    if target.column is None:
        return [None] * batch.num_rows
    cells = batch.column(target.column).to_pylist()
    if target.cells == "one":
        return texts(cells)
    return [members(cell, target.separator) for cell in cells]


def members(cell: object, separator: str | None = None) -> list[str] | None:
    """The classes in a cell, in its order, blank ones left out; None where it is not a label.

    An empty list is a label, "none of the classes". A text cannot express that: an empty one is no
    label.

    >>> members("a | b", "|"), members([]), members(""), members(None)
    (['a', 'b'], [], None, None)
    """
    if is_empty(cell):
        return None
    found: list[object] = (
        list(cell)
        if isinstance(cell, list | tuple)
        else list(as_text(cell).split(separator))  # schema_problems asks for the separator
    )
    return [name for v in found if not is_empty(v) and (name := as_text(v).strip())]


def each_class(label: Label | None) -> list[str]:
    """The classes of a label, each once, in their order; none without a label."""
    if label is None:
        return []
    return [label] if isinstance(label, str) else list(dict.fromkeys(label))
