"""The contract of every index, and exact search against a fully sorted dictionary."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.parts import loading as parts
from components.parts.filters import And, In
from tests.stores import ROOT

LABELS = ("ring", "line", None)


def _unit(n, dim, seed):
    x = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def _empty(name, dim, attributes=()):
    module = parts.load("index", name)
    declared = dict.fromkeys(attributes, "text")
    return module.build(parts.configure("index", name, {}), dim=dim, attributes=declared)


def _filled(name, vectors, **attributes):
    index = _empty(name, vectors.shape[1], tuple(attributes))
    index.upsert([f"r{i:03d}" for i in range(len(vectors))], vectors, attributes)
    return index


@pytest.fixture(params=parts.available("index"))
def name(request):
    return request.param


def test_config_is_frozen_and_the_source_is_named(name):
    module = parts.load("index", name)
    assert dataclasses.is_dataclass(module.Config)
    assert module.Config.__dataclass_params__.frozen
    assert "Source:" in module.__doc__


def test_a_record_finds_itself_first_and_scores_never_rise(name):
    vectors = _unit(200, 16, 0)
    index = _filled(name, vectors)
    for row, found in enumerate(index.search(vectors[:20], 7)):
        assert found.ids[0] == f"r{row:03d}"
        assert len(found.ids) == 7
        assert (np.diff(found.scores) <= 0).all()
        rows = [int(i[1:]) for i in found.ids]
        assert found.scores == pytest.approx(vectors[rows] @ vectors[row], abs=1e-5)


def test_only_records_that_satisfy_every_filter_are_found(name):
    vectors = _unit(60, 8, 1)
    label, split = [LABELS[i % 3] for i in range(60)], ["ab"[i % 2] for i in range(60)]
    index = _filled(name, vectors, label=label, split=split)
    (found,) = index.search(
        vectors[:1], 60, And((In("label", ("ring", "line")), In("split", ("a",))))
    )
    wanted = {i for i in range(60) if label[i] is not None and split[i] == "a"}
    assert {int(i[1:]) for i in found.ids} == wanted
    for nothing in (In("label", ()), In("label", ("square",))):
        (found,) = index.search(vectors[:1], 3, nothing)
        assert (found.ids, len(found.scores)) == ([], 0)
    with pytest.raises(ValueError, match="colour"):
        index.search(vectors[:1], 3, In("colour", ("red",)))


def test_the_same_query_gives_the_same_answer_alone_and_among_others(name):
    vectors = _unit(300, 16, 2)
    index = _filled(name, vectors)
    for row, found in enumerate(index.search(vectors[:10], 5)):
        assert index.search(vectors[row : row + 1], 5)[0].ids == found.ids


def test_a_saved_index_answers_and_changes_like_the_one_that_was_saved(name, tmp_path):
    vectors = _unit(40, 8, 3)
    index = _filled(name, vectors, label=["ring", None] * 20)
    index.save(tmp_path / "index")
    opened = parts.load("index", name).open(tmp_path / "index")
    for changed in (False, True):
        if changed:
            for each in (index, opened):
                each.upsert(["r001", "new"], -vectors[:2], {"label": ["line", "line"]})
                each.delete(["r000"])
        for where in (None, In("label", ("ring", "line"))):
            for a, b in zip(
                index.search(vectors, 9, where), opened.search(vectors, 9, where), strict=True
            ):
                assert a.ids == b.ids
                assert a.scores.tolist() == b.scores.tolist()
    assert len(opened) == 40


@pytest.mark.parametrize(
    ("ids", "shape", "attributes"),
    [
        (["a"], (2, 4), {"label": ["x"]}),
        (["a"], (1, 5), {"label": ["x"]}),
        (["a"], (1, 4), {}),
        (["a"], (1, 4), {"label": ["x"], "split": ["y"]}),
        (["a", "a"], (2, 4), {"label": ["x", "y"]}),
        (["a", "b"], (2, 4), {"label": ["x"]}),
    ],
)
def test_wrong_upserts_are_refused_and_change_nothing(name, ids, shape, attributes):
    index = _empty(name, 4, ("label",))
    with pytest.raises(ValueError, match=r".+"):
        index.upsert(ids, np.zeros(shape, np.float32), attributes)
    assert len(index) == 0


def test_no_other_file_names_an_index():
    """Another index is one more file: only one place names the default index."""
    naming = [
        path.relative_to(ROOT).as_posix()
        for room in ("components", "serving", "flows")
        for path in (ROOT / room).rglob("*.py")
        if '"exact"' in path.read_text() or "index.exact" in path.read_text()
    ]
    assert naming == ["components/parts/indexing.py"]


CALLS = st.lists(
    st.tuples(
        st.sampled_from(["upsert", "delete"]),
        st.lists(st.integers(0, 15), min_size=0, max_size=8, unique=True),
        st.integers(0, 10_000),
    ),
    max_size=6,
)


@given(CALLS, st.integers(0, 10_000), st.integers(1, 20), st.sampled_from([None, (), ("ring",)]))
@settings(max_examples=100, deadline=None)
def test_exact_search_is_a_full_sort_after_any_changes_with_ties_by_id(calls, seed, k, labels):
    index, stored = _empty("exact", 3, ("label",)), {}
    for call, numbers, drawn in calls:
        rng, ids = np.random.default_rng(drawn), [f"r{i}" for i in numbers]
        if call == "delete":
            index.delete(ids)
            stored = {i: record for i, record in stored.items() if i not in ids}
        else:  # small whole numbers: many exact ties
            vectors = rng.integers(-1, 2, (len(ids), 3)).astype(np.float32)
            names = [LABELS[c] for c in rng.integers(0, 3, len(ids))]
            index.upsert(ids, vectors, {"label": names})
            stored |= {i: (v, n) for i, v, n in zip(ids, vectors.tolist(), names, strict=True)}
    query = np.random.default_rng(seed).integers(-2, 3, 3).astype(np.float32)
    where = None if labels is None else In("label", labels)
    (found,) = index.search(query[None], k, where)
    scores = {
        i: sum(a * b for a, b in zip(vector, query.tolist(), strict=True))
        for i, (vector, name) in stored.items()
        if labels is None or name in labels
    }
    wanted = sorted(scores, key=lambda i: (-scores[i], i))[:k]
    assert found.ids == wanted
    assert found.scores.tolist() == [scores[i] for i in wanted]
    assert len(index) == len(stored)
