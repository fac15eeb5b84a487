"""Copies are joined to groups, and those that straddle splits are counted."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from components.evaluation.duplicates import Link, Prints, effect, equal, leaks


def link(a, b):
    return Link(a=a, b=b, modality="text", alike=1.0)


def test_leaks_are_counted_by_split_and_the_later_record_leaks():
    splits = ["train", "train", "val", "test", "test"]
    found = leaks([link(0, 1), link(1, 3), link(2, 4)], splits, list("abcde"))
    assert found.pairs == {("train", "train"): 1, ("train", "test"): 1, ("val", "test"): 1}
    assert found.leaked.tolist() == [False, False, False, True, True]
    assert (found.straddling, found.by_modality) == (2, {"text": 2})


def test_copies_of_one_declared_group_are_no_leaks():
    assert leaks([link(0, 1)], ["train", "test"], ["g", "g"]).links == []


@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=30))
def test_groups_are_the_connected_components(pairs):
    links = [link(min(p), max(p)) for p in pairs if p[0] != p[1]]
    found = leaks(links, ["train"] * 20, [str(n) for n in range(20)])
    graph = nx.Graph([(k.a, k.b) for k in links])
    graph.add_nodes_from(range(20))
    wanted = {frozenset(c) for c in nx.connected_components(graph)}
    assert {frozenset(np.flatnonzero(found.copies == n)) for n in found.copies} == wanted


def test_what_many_records_have_links_none_of_them():
    assert list(equal(np.array([7] * 100 + [1, 2, 1]))) == [(100, 102)]


def test_a_picture_that_stands_for_no_picture_makes_no_copies():
    rng = np.random.default_rng(0)
    one, *others = (
        Image.fromarray(rng.integers(0, 255, (40, 40, 3)).astype(np.uint8)) for _ in range(5)
    )
    prints = Prints(modality="photo")
    for row, picture in enumerate([*[one] * 30, *others, others[0]]):
        prints.add(row, picture.tobytes(), picture)
    assert [(k.a, k.b) for k in prints.links()] == [(30, 34)]


def test_equal_contents_are_linked_whatever_they_are():
    prints = Prints(modality="facts")
    for row, content in enumerate([b"a", b"b", b"a"]):
        prints.add(row, content, {"any": "value"})
    assert [(k.a, k.b, k.alike) for k in prints.links()] == [(0, 2, 1.0)]


@pytest.mark.parametrize(
    ("text", "copy", "other"),
    [
        ("Red hat", "  RED \n hat!", "Red hats"),
        ("Goblin", "goblin.", "Goblins"),
        ("C++", "c++", "C"),
        ("ﬁve-ring circus", "Five ring circus", "circus ring five"),
        ("?", "?", "??"),
    ],
)
def test_short_texts_are_copies_whatever_their_case_spaces_and_punctuation(text, copy, other):
    prints = Prints(modality="title")
    for row, value in enumerate([text, copy, other]):
        prints.add(row, value.encode(), value)
    assert [(k.a, k.b, k.alike) for k in prints.links()] == [(0, 1, 1.0)]


def test_the_effect_is_the_figure_without_the_records_that_leak():
    right = np.array([1.0, 1.0, 0.0, 0.0])
    told = effect(
        np.array([False, True, False, False]), lambda at: float(right[at].mean()), np.arange(4)
    )
    assert told == {"records": 4, "leaked": 1, "all": 0.5, "without_leaks": 1 / 3}
