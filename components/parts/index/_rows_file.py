"""Rows on disk: an array of vectors, and a Parquet file of ids and attributes in the same order."""

from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.core.files import read_json, write_json
from components.parts.filters import Declared, Type
from components.parts.index._rows import RowNumbers, Rows

_ID = "id"
_VECTORS, _ROWS, _ABOUT = "vectors.npy", "rows.parquet", "attributes.json"
_AT_A_TIME = 8192


def write(rows: Rows, place: Path) -> RowNumbers:
    """Write the living rows in the order of their ids.

    Returns:
        The row numbers that they had.
    """
    order, ids = rows.in_order()
    shape = (len(order), rows.dim)
    with (place / _VECTORS).open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, len(order), _AT_A_TIME):
            part = rows.vectors_at(order[start : start + _AT_A_TIME])
            file.write(np.ascontiguousarray(part, dtype="<f4").data)
    columns = {f"={name}": values for name, values in rows.columns.values(order).items()}
    pq.write_table(pa.table({_ID: ids, **columns}), place / _ROWS)
    write_json(place / _ABOUT, dict(rows.columns.declared))
    return order


def read(place: Path) -> Rows:
    """Read rows; the vectors are memory-mapped."""
    # `read_table` would import pandas, where it is installed.
    table = pq.ParquetFile(place / _ROWS).read().combine_chunks()
    if (place / _ABOUT).is_file():
        declared = cast(Declared, read_json(place / _ABOUT))
        columns = {name: table[f"={name}"] for name in declared}
    else:  # an index of before attributes had types
        columns = {name: table[name] for name in table.column_names if name != _ID}
        declared = {name: _type(column) for name, column in columns.items()}
    vectors = np.load(place / _VECTORS, mmap_mode="r")
    rows = Rows(vectors.shape[1], declared)
    rows.start(_whole(table[_ID]), vectors, {n: _whole(c) for n, c in columns.items()})
    return rows


def _type(column: pa.ChunkedArray) -> Type:
    return "texts" if pa.types.is_list(column.type) else "text"


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
