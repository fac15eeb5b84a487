"""Attributes as they are stored and read again."""

import pyarrow as pa

from components.parts.columns import Column


def test_stored_sets_of_texts_are_found_by_their_members():
    column = Column("texts")
    sets = [["a", "b"], None, ["b"], [], ["b", "a"], ["", "a"], ["a\0b"], ["c", "c"]]
    column.fill(pa.array([["x"], *sets, ["y"]]).slice(1, len(sets)))
    wanted = [["a", "b"], None, ["b"], None, ["a", "b"], ["", "a"], ["a\0b"], ["c"]]
    assert column.values().to_pylist() == wanted
    for text in ("a", "b", "", "x", "a\0b"):
        assert column.among((text,)).tolist() == [text in (s or ()) for s in sets]


def test_stored_numbers_keep_what_is_missing():
    for kind, values in (("number", [1.5, None, 3.0]), ("bool", [True, None, False])):
        column = Column(kind)
        column.fill(pa.array([values[0], *values]).slice(1))
        assert column.values().to_pylist() == values
