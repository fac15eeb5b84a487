"""Columns are read in plain types, and each value of a role has its one text."""

import datetime
import uuid
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.core.values import texts
from components.data.columns import plain_type
from components.data.manifest import parse
from components.data.reader import Dataset
from components.validation.stored_types import schema_problems

KEY = uuid.UUID("12345678-1234-5678-1234-567812345678")
MANIFEST = {
    "id": "x",
    "target": {"column": "label"},
    "group": "x",
    "modalities": {"facts": {"kind": "tabular", "columns": {"x": {"type": "category"}}}},
}


def read(folder, column, manifest):
    pq.write_table(pa.table({"x": column, "label": column}), folder / "records.parquet")
    dataset = Dataset(str(folder), parse(manifest))
    (batch,) = dataset.batches()
    assert batch.schema == dataset.schema
    return dataset, batch.column("x")


@pytest.mark.parametrize(
    ("column", "wanted"),
    [
        (pa.array(["01067", " ", None]), ["01067", None, None]),
        (pa.array(["a", None]).dictionary_encode(), ["a", None]),
        (pa.array(["a", None], pa.string_view()), ["a", None]),
        (pa.array(["a", None], pa.large_string()), ["a", None]),
        (pa.array([7, None]), ["7", None]),
        (pa.array([7.0, None, np.nan]), ["7", None, None]),
        (pa.array(np.array([7, 2.5], np.float16)), ["7", "2.5"]),
        (pa.array([2**63 + 1, 2**53 + 1], pa.uint64()), [str(2**63 + 1), str(2**53 + 1)]),
        (pa.array([True, False, None]), ["true", "false", None]),
        (pa.array([Decimal("7"), None]), ["7", None]),
        (pa.array([datetime.date(2024, 2, 29), None]), ["2024-02-29", None]),
        (pa.array([datetime.datetime(2024, 2, 29, 1)]), ["2024-02-29T01:00:00"]),
        (pa.array([datetime.time(1, 2)]), ["01:02:00"]),
        (pa.array([KEY.bytes, None], pa.uuid()), [str(KEY), None]),
    ],
    ids=lambda v: str(v.type) if isinstance(v, pa.Array) else "",
)
def test_ids_groups_classes_and_categories_may_be_stored_in_any_way(column, wanted, tmp_path):
    dataset, found = read(tmp_path, column, MANIFEST)
    assert schema_problems(dataset.schema, dataset.manifest) == []
    assert texts(found.to_pylist()) == wanted


@pytest.mark.parametrize(
    "column",
    [
        pa.array([["a"]]),
        pa.array([{"a": 1}]),
        pa.array([b"a"]),
        pa.array([datetime.timedelta(1)]),
        pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
    ],
    ids=lambda v: str(v.type),
)
def test_a_column_without_one_text_is_named_with_its_type(column, tmp_path):
    dataset, _ = read(tmp_path, column, MANIFEST)
    problems = schema_problems(dataset.schema, dataset.manifest)
    assert len(problems) == 4  # as id, as group, as the target, as a category
    named = str(column.type).partition("<")[0]
    assert all(f"got type {named}" in problem for problem in problems)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([["b", "a"]], pa.list_view(pa.string())),
        pa.array([["b", "a"]], pa.large_list_view(pa.string_view())),
        pa.array([["b", "a"]], pa.large_list(pa.string())),
        pa.array([["b", "a"]], pa.list_(pa.string(), 2)),
        pa.array([["b", "a"]], pa.list_(pa.dictionary(pa.int32(), pa.string()))),
    ],
    ids=lambda v: str(v.type),
)
def test_a_set_may_be_stored_in_any_kind_of_list(column, tmp_path):
    columns = {"facts": {"kind": "tabular", "columns": {"x": {"type": "set"}}}}
    dataset, found = read(tmp_path, column, MANIFEST | {"modalities": columns})
    problems = schema_problems(dataset.schema, dataset.manifest)
    assert len(problems) == 3  # as id, as group and as the target, but not as a set
    assert found.to_pylist() == [["b", "a"]]
    assert plain_type(found.type) == found.type
