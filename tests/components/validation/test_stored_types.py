"""Whether stored types fit the manifest, on schemas without records."""

import pyarrow as pa
import pytest

from components.validation.stored_types import inexact_columns, schema_problems
from tests.components.validation.sets import manifest_of
from tests.datasets import COLUMNS


@pytest.mark.parametrize(
    ("column", "kind", "wanted"),
    [
        ("size", pa.string(), "numbers"),
        ("colour", pa.list_(pa.string()), "text, numbers"),
        ("colour", pa.duration("s"), "text, numbers"),
        ("tags", pa.int64(), "text with a separator"),
        ("image", pa.int64(), "paths"),
        ("text", pa.binary(), "text"),
        ("label", pa.binary(), "text, numbers"),
        ("id", pa.list_(pa.string()), "text, numbers"),
        ("split", pa.int64(), "train, val, test"),
    ],
)
def test_a_column_of_the_wrong_type_is_named(column, kind, wanted):
    schema = pa.schema(list((COLUMNS | {column: kind}).items()))
    (problem,) = schema_problems(schema, manifest_of())
    assert repr(column) in problem
    assert wanted in problem


def test_other_stored_forms_of_a_type_are_fine():
    kinds = {
        "size": pa.bool_(),
        "tags": pa.list_(pa.string()),
        "image": pa.binary(),
        "colour": pa.date32(),
        "group": pa.float64(),
    }
    kinds |= {"label": pa.int64(), "text": pa.large_string(), "bonus": pa.decimal128(5, 2)}
    assert schema_problems(pa.schema(list((COLUMNS | kinds).items())), manifest_of()) == []


def test_columns_of_whole_numbers_that_a_number_cannot_tell_apart_are_found():
    table = pa.table({"size": [2**53 + 1, None], "bonus": [2**53, 1], "colour": ["a", "b"]})
    assert inexact_columns(table, manifest_of()) == {"size"}
