"""Columns of a table as the few types that a data set holds."""

import io
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.core.values import as_text
from components.data.importing.numbers import LARGEST_WHOLE, as_numbers, nearly_numbers
from components.data.importing.report import Report


def plain(table: pa.Table, report: Report) -> pa.Table:
    """Convert each column to text, bytes, numbers, truth values or lists of texts.

    Other types stay as they are, or become text where Parquet cannot hold them.

    Args:
        table: of any types.
        report: receives the columns that no kind can read, with the reason.
    """
    for place, name in enumerate(table.column_names):
        column = table[name]
        try:
            changed, why = _plain(column)
        except (pa.ArrowException, ValueError, OverflowError) as error:
            changed, why = column, f"{column.type} ({error})"
        if why:
            report.columns.setdefault(name, why)
        elif pa.types.is_struct(column.type) and (lost := _without_bytes(column, changed)):
            report.notes.append(f"column {name!r}: {lost:,} cells have a path but no bytes")
        if not _is_storable(changed):
            changed = pa.chunked_array([pa.array([_said(v) for v in column.to_pylist()])])
        table = table.set_column(place, name, changed)
    return table


def numbered(table: pa.Table, keep: set[str], decimal_comma: bool, report: Report) -> pa.Table:
    """Convert the columns of text that have nothing but numbers.

    Args:
        table: all cells are text.
        keep: columns that stay text.
        decimal_comma: numbers may have a comma for the point.
        report: receives what was read in another way than it stands.
    """
    for place, name in enumerate(table.column_names):
        if name in keep:
            continue
        column = table[name]
        if (found := as_numbers(column, decimal_comma)) is None:
            if odd := nearly_numbers(column, decimal_comma):
                report.nearly_numbers[name] = odd
            continue
        numbers, markers = found
        table = table.set_column(place, name, numbers)
        if markers:
            said = ", ".join(f"{count:,} cells {marker!r}" for marker, count in markers.items())
            report.notes.append(f"column {name!r}: numbers; read {said} as empty")
        if decimal_comma and pc.any(pc.match_substring(column, ",")).as_py():
            report.notes.append(f"column {name!r}: numbers; read the comma as the decimal point")
    return table


def _plain(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, str]:
    """The column in a type of ours, and why no kind can read it (else empty)."""
    column = _decoded(column)
    for test, convert in _CONVERSIONS:
        if test(column.type):
            return convert(column)
    return column, f"{column.type}, which no kind reads"


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The values themselves of a column that stores them by number, by run, or as an extension."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        if kind.extension_name == "arrow.uuid":
            texts = [None if v is None else str(v) for v in column.to_pylist()]
            return pa.chunked_array([texts], pa.string())
        stored = pa.chunked_array([c.storage for c in column.chunks], kind.storage_type)
        return _decoded(stored)
    if pa.types.is_dictionary(kind):
        parts = [_plain_text(c.dictionary).take(c.indices) for c in column.chunks]
        return _decoded(pa.chunked_array(parts, _plain_text_type(kind.value_type)))
    if pa.types.is_run_end_encoded(kind):
        return _decoded(pc.run_end_decode(column))
    return column


def _plain_text(values: pa.Array) -> pa.Array:
    return values.cast(_plain_text_type(values.type))


def _plain_text_type(kind: pa.DataType) -> pa.DataType:
    """Dictionaries of views have few kernels."""
    if pa.types.is_string_view(kind):
        return pa.large_string()
    return pa.large_binary() if pa.types.is_binary_view(kind) else kind


def _whole(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, str]:
    """Whole numbers; as text if a float does not hold them all."""
    if pa.types.is_integer(column.type) and column.type.bit_width < 64:
        return column, ""
    within = pc.min_max(column)
    low, high = (int(within[key].as_py() or 0) for key in ("min", "max"))
    fits = low >= -LARGEST_WHOLE and high <= LARGEST_WHOLE
    return column.cast(pa.int64() if fits else pa.string()), ""


def _decimal(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, str]:
    return _whole(column) if column.type.scale <= 0 else (column.cast(pa.float64()), "")


def _temporal(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, str]:
    return column, f"dates, times or spans of time ({column.type}), which no kind reads"


def _map(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, str]:
    return column, "mappings, which no kind reads"


def _list(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, str]:
    member = column.type.value_type
    if pa.types.is_dictionary(member):
        member = member.value_type
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    if not any(test(member) for test in texts):
        return column, f"lists of {member}; only lists of texts are read, as sets"
    return pa.chunked_array([pa.array(column.to_pylist(), pa.list_(pa.string()))]), ""


def _struct(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, str]:
    """Bytes, or else the path, of media as Hugging Face writes them."""
    kind = column.type
    names = {kind.field(i).name for i in range(kind.num_fields)}
    if names != {"bytes", "path"}:
        return column, f"mappings with {', '.join(sorted(names)) or 'nothing'}, which no kind reads"
    bytes_ = pc.struct_field(column, "bytes")
    if bytes_.null_count == len(bytes_):
        return _plain(pc.struct_field(column, "path"))
    return _plain(bytes_)


def _as(kind: pa.DataType | None) -> Callable[[pa.ChunkedArray], tuple[pa.ChunkedArray, str]]:
    return lambda column: (column if kind is None else column.cast(kind), "")


_CONVERSIONS = (
    (pa.types.is_string_view, _as(pa.large_string())),
    (pa.types.is_binary_view, _as(pa.large_binary())),
    (pa.types.is_fixed_size_binary, _as(pa.large_binary())),
    (pa.types.is_float16, _as(pa.float32())),
    (pa.types.is_integer, _whole),
    (pa.types.is_decimal, _decimal),
    (pa.types.is_struct, _struct),
    (pa.types.is_map, _map),
    (pa.types.is_list, _list),
    (pa.types.is_large_list, _list),
    (pa.types.is_fixed_size_list, _list),
    (pa.types.is_list_view, _list),
    (pa.types.is_large_list_view, _list),
    (pa.types.is_temporal, _temporal),
    (pa.types.is_boolean, _as(None)),
    (pa.types.is_floating, _as(None)),
    (pa.types.is_string, _as(None)),
    (pa.types.is_large_string, _as(None)),
    (pa.types.is_binary, _as(None)),
    (pa.types.is_large_binary, _as(None)),
    (pa.types.is_null, _as(None)),
)


def _without_bytes(column: pa.ChunkedArray, changed: pa.ChunkedArray) -> int:
    paths = pc.is_valid(pc.struct_field(column, "path"))
    return int(pc.sum(pc.and_(pc.is_null(changed), paths)).as_py() or 0)


def _is_storable(column: pa.ChunkedArray) -> bool:
    try:
        pq.write_table(pa.table({"column": column.slice(0, 1)}), io.BytesIO())
    except (pa.ArrowException, NotImplementedError):
        return False
    return True


def _said(value: object) -> str | None:
    if value is None:
        return None
    try:
        return as_text(value)
    except ValueError:
        return repr(value)
