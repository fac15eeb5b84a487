"""Patterns of present modalities."""

import numpy as np

from components.model.subsets import ignored, patterns, subset_key, subsets


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
