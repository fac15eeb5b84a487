"""Patterns of present modalities."""

import numpy as np

from components.model.subsets import (
    ignored,
    left_out,
    measured,
    patterns,
    subset_key,
    subsets,
    temperature,
)


def test_there_are_two_to_the_m_minus_one_subsets_each_once():
    found = subsets(["c", "a", "b", "d"])
    assert len(found) == len(set(found)) == 15
    assert all(list(s) == sorted(s) for s in found)
    assert [len(s) for s in found] == sorted(len(s) for s in found)


def test_each_record_names_the_modalities_it_has():
    present = np.array([[1, 1], [0, 1], [0, 0], [1, 0]], dtype=bool)
    assert patterns(present, ["image", "text"]) == ["image+text", "text", "", "image"]
    assert subset_key(("text", "image")) == "image+text"


def test_a_modality_that_can_go_without_any_change_is_named():
    accuracy = {"a+b+c": 0.8, "a+b": 0.8, "a+c": 0.5, "b+c": 0.7}
    assert ignored(accuracy, ["a", "b", "c"]) == ["c"]
    assert ignored({"a": 0.8}, ["a"]) == []


def test_up_to_seven_modalities_every_subset_is_measured():
    for names in ("a", "abc", "abcdefg"):
        assert measured(names) == subsets(names)
        assert left_out(names) == ""


def test_of_many_modalities_each_alone_all_but_one_and_all_are_measured():
    for m in (8, 12, 60):
        names = [f"m{i:02}" for i in range(m)]
        found = measured(names)
        assert len(found) == len(set(found)) <= max(127, 2 * m + 1)
        assert {(n,) for n in names} | {tuple(names)} <= set(found)
        assert all(tuple(n for n in names if n != gone) in found for gone in names)
        assert str(len(found)) in left_out(names)


def test_a_subset_that_was_not_measured_has_the_temperature_of_the_rest():
    known = {"a": 2.0, "*": 1.5}
    assert [temperature(known, key) for key in ("a", "a+b")] == [2.0, 1.5]
    assert temperature({"a": 2.0}, "a+b") == 1.0
