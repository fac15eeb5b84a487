"""Columns of a data set in plain types, whatever way of storing them their writer chose."""

import pyarrow as pa


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type that holds the same values without a dictionary, a view or a fixed size.

    >>> plain_type(pa.dictionary(pa.int8(), pa.string()))
    DataType(string)
    """
    types = pa.types
    if isinstance(kind, pa.UuidType) or types.is_string_view(kind):
        plain = pa.string()
    elif isinstance(kind, pa.BaseExtensionType):
        plain = plain_type(kind.storage_type)
    elif types.is_dictionary(kind):
        plain = plain_type(kind.value_type)
    elif types.is_binary_view(kind) or types.is_fixed_size_binary(kind):
        plain = pa.binary()
    elif types.is_list(kind) or types.is_list_view(kind) or types.is_fixed_size_list(kind):
        plain = pa.list_(plain_type(kind.value_type))
    elif types.is_large_list(kind) or types.is_large_list_view(kind):
        plain = pa.large_list(plain_type(kind.value_type))
    else:
        plain = kind
    return plain


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """The schema of `plain_batch`, without metadata."""
    return pa.schema([pa.field(f.name, plain_type(f.type), f.nullable) for f in schema])


def plain_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The same values in plain types."""
    schema = plain_schema(batch.schema)
    arrays = [_plain(column, kind) for column, kind in zip(batch, schema.types, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _plain(column: pa.Array, kind: pa.DataType) -> pa.Array:
    if column.type == kind:
        return column
    if isinstance(column.type, pa.UuidType):
        return pa.array([None if v is None else str(v) for v in column.to_pylist()], kind)
    if isinstance(column.type, pa.BaseExtensionType):
        return _plain(column.storage, kind)
    if pa.types.is_list_view(column.type) or pa.types.is_large_list_view(column.type):
        return pa.array(column.to_pylist(), kind)  # pyarrow 25 casts them to invalid arrays
    return column.cast(kind)
