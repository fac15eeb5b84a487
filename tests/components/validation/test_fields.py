"""Which columns have values in which split, by sets read as a run reads them."""

import pyarrow as pa
import pytest

from components.data.manifest import Manifest
from components.validation.fields import given_fields

EMPTY = {
    "null": pa.array([None, None, None, None], pa.float64()),
    "nan": pa.array([float("nan")] * 4),
    "blank": pa.array(["", " ", None, "\t"]),
    "nothing": pa.nulls(4),
}


def manifest(type_, null="missing"):
    columns = {"seen": {"type": type_, "null": null}}
    return Manifest(
        id="id",
        target={"column": "label", "kind": "single"},
        split={"column": "split"},
        modalities={"facts": {"kind": "tabular", "columns": columns}},
    )


@pytest.mark.parametrize("cells", EMPTY.values(), ids=EMPTY)
def test_a_column_of_empty_cells_has_no_value_in_any_split(cells):
    kind = "category" if pa.types.is_string(cells.type) else "number"
    found = given_fields(
        pa.table({"seen": cells}), [0, 1, 3], ["train", "test", "test"], manifest(kind)
    )
    assert dict(found) == {("train", "facts", "seen"): 0, ("test", "facts", "seen"): 0}


def test_records_that_do_not_count_are_not_counted():
    table = pa.table({"seen": [1.0, 0.0, 2.0, None]})
    found = given_fields(table, [0, 1, 3], ["train", "test", "train"], manifest("number"))
    assert dict(found) == {("train", "facts", "seen"): 1, ("test", "facts", "seen"): 1}


def test_a_column_with_a_default_is_never_without_a_value():
    table = pa.table({"seen": [None, 1.0]})
    assert not given_fields(table, [0, 1], ["train", "test"], manifest("number", {"default": 0.0}))
