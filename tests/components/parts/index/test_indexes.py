"""The contract of every index family, against a fully sorted dictionary."""

import dataclasses
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.core.errors import BadInput
from components.parts import loading as parts
from components.parts.filters import And, In, Not, Range
from components.parts.index import _graph, approximate
from tests.components.parts.test_filters import FILTERS, VALUES, holds
from tests.stores import ROOT

DECLARED = {"label": "text", "tags": "texts", "price": "number", "sold": "bool", "seen": "time"}
NONE = dict.fromkeys(DECLARED)


def _unit(n, dim, seed):
    x = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def _empty(name, dim, declared=None):
    module = parts.load("index", name)
    return module.build(parts.configure("index", name, {}), dim=dim, attributes=declared or {})


def _filled(name, vectors, **attributes):
    index = _empty(name, vectors.shape[1], dict.fromkeys(attributes, "text"))
    index.upsert([f"r{i:03d}" for i in range(len(vectors))], vectors, attributes)
    return index


@pytest.fixture(params=parts.available("index"))
def name(request, monkeypatch):
    if request.param == "postgres":
        monkeypatch.setenv("CONCORD_INDEX_URL", request.getfixturevalue("database"))
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


def test_only_records_that_satisfy_the_filter_are_found(name):
    vectors = _unit(60, 8, 1)
    label = [("ring", "line", None)[i % 3] for i in range(60)]
    split = ["ab"[i % 2] for i in range(60)]
    index = _filled(name, vectors, label=label, split=split)
    where = And((In("label", ("ring", "line")), In("split", ("a",))))
    (found,) = index.search(vectors[:1], 60, where)
    wanted = {i for i in range(60) if label[i] is not None and split[i] == "a"}
    assert {int(i[1:]) for i in found.ids} == wanted
    for nothing in (In("label", ()), In("label", ("square",))):
        (found,) = index.search(vectors[:1], 3, nothing)
        assert (found.ids, len(found.scores)) == ([], 0)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (In("lable", ("red",)), "did you mean 'label'"),
        (In("label", (1,)), "wanted texts"),
        (Not(Range(field="label", above=1)), "which holds texts"),
        (Range(field="price"), "no bounds"),
    ],
)
def test_a_filter_that_does_not_suit_the_attributes_is_refused(name, where, message):
    index = _empty(name, 4, {"label": "text", "price": "number"})
    with pytest.raises(BadInput, match=message):
        index.search(np.ones((1, 4), np.float32), 3, where)


def test_the_same_query_gives_the_same_answer_alone_and_among_others(name):
    vectors = _unit(300, 16, 2)
    index = _filled(name, vectors)
    for row, found in enumerate(index.search(vectors[:10], 5)):
        (alone,) = index.search(vectors[row : row + 1], 5)
        assert alone.ids == found.ids
        assert alone.scores.tolist() == found.scores.tolist()


def test_a_saved_index_answers_and_changes_like_the_one_that_was_saved(name, tmp_path):
    vectors = _unit(40, 8, 3)
    index = _filled(name, vectors, label=["ring", None] * 20)
    index.upsert(["r003"], vectors[3:4], {"label": ["line"]})
    index.save(tmp_path / "index")
    opened = parts.load("index", name).open(tmp_path / "index")
    assert opened.attributes == {"label": "text"}
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
    ("ids", "vectors", "attributes"),
    [
        (["a"], np.zeros((2, 4)), {"label": ["x"]}),
        (["a"], np.zeros((1, 5)), {"label": ["x"]}),
        (["a"], np.full((1, 4), np.nan), {"label": ["x"]}),
        (["a"], np.full((1, 4), np.inf), {"label": ["x"]}),
        (["a"], np.zeros((1, 4)), {}),
        (["a"], np.zeros((1, 4)), {"label": ["x"], "split": ["y"]}),
        (["a"], np.zeros((1, 4)), {"label": [3]}),
        (["a", "a"], np.zeros((2, 4)), {"label": ["x", "y"]}),
        (["a", "b"], np.zeros((2, 4)), {"label": ["x"]}),
        (["\ud800"], np.zeros((1, 4)), {"label": ["x"]}),
        (["a"], np.zeros((1, 4)), {"label": ["\ud800"]}),
    ],
)
def test_wrong_upserts_are_refused_and_change_nothing(name, ids, vectors, attributes):
    index = _empty(name, 4, {"label": "text"})
    index.upsert(["z"], np.ones((1, 4), np.float32), {"label": ["x"]})
    with pytest.raises(ValueError, match=r".+"):
        index.upsert(ids, vectors.astype(np.float32), attributes)
    assert index.search(np.ones((1, 4), np.float32), 3)[0].ids == ["z"]


@pytest.mark.parametrize(
    ("queries", "k"), [(np.full((1, 4), np.nan), 1), (np.ones((1, 5)), 1), (np.ones((1, 4)), 0)]
)
def test_wrong_queries_are_refused(name, queries, k):
    index = _empty(name, 4)
    with pytest.raises(ValueError, match="got"):
        index.search(queries.astype(np.float32), k)


def test_an_empty_index_and_vectors_of_zeros_are_searched_like_others(name):
    index = _empty(name, 4)
    assert index.search(np.ones((1, 4), np.float32), 3)[0].ids == []
    index.upsert(["b", "a"], np.zeros((2, 4), np.float32), {})
    (found,) = index.search(np.zeros((1, 4), np.float32), 3)
    assert (found.ids, found.scores.tolist()) == (["a", "b"], [0.0, 0.0])


def test_vectors_are_given_by_id_and_an_unknown_id_is_refused(name):
    vectors = _unit(5, 4, 5)
    index = _filled(name, vectors)
    index.upsert(["new", "r001"], -vectors[:2], {})
    wanted = [vectors[4], -vectors[0], -vectors[1]]
    assert index.vectors_of(["r004", "new", "r001"]).tolist() == np.array(wanted).tolist()
    index.delete(["r004"])
    with pytest.raises(BadInput, match="r004"):
        index.vectors_of(["new", "r004"])


def test_searches_run_while_records_change_and_see_each_change_whole(name):
    """Every upsert moves all records of a pair to one side; a search must not see one on each."""
    index, stop, seen = _empty(name, 2), threading.Event(), []
    sides = np.array([[1, 0], [0, 1]], np.float32)
    index.upsert(["a", "b"], sides[[0, 0]], {})

    def ask():
        while not stop.is_set():
            (found,) = index.search(sides[:1], 2)
            seen.append(tuple(found.scores.tolist()))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for turn in range(100):
        index.upsert(["a", "b"], sides[[turn % 2] * 2], {})
    stop.set()
    for thread in threads:
        thread.join()
    assert set(seen) <= {(1.0, 1.0), (0.0, 0.0)}
    assert len(index) == 2


def test_only_the_protocol_names_an_index_family():
    """Another index is one more file: only one place names the families."""
    naming = [
        path.relative_to(ROOT).as_posix()
        for room in ("components", "serving", "flows")
        for path in (ROOT / room).rglob("*.py")
        if '"exact"' in path.read_text() or "index.exact" in path.read_text()
    ]
    assert naming == ["components/parts/indexing.py"]


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["upsert", "delete", "save"]),
        st.dictionaries(st.integers(0, 15), st.fixed_dictionaries(VALUES), max_size=8),
        st.integers(0, 10_000),
    ),
    max_size=6,
)


def _changed(index, stored, change, place):
    """Apply a change to an index and to a dictionary of records."""
    kind, records, drawn = change
    ids = [str(i) for i in records]
    if kind == "delete":
        index.delete(ids)
        return index, {i: record for i, record in stored.items() if i not in ids}
    if kind == "save":
        index.save(place)
        return parts.load("index", index.__module__.rsplit(".", 1)[1]).open(place), stored
    # Small whole numbers: many exact ties.
    vectors = np.random.default_rng(drawn).integers(-1, 2, (len(ids), 3)).astype(np.float32)
    index.upsert(ids, vectors, {f: [r[f] for r in records.values()] for f in DECLARED})
    new = {
        i: {**record, "id": i, "vector": vector}
        for i, record, vector in zip(ids, records.values(), vectors.tolist(), strict=True)
    }
    return index, stored | new


def _is_the_full_sort(index, stored, seed, k, where):
    query = np.random.default_rng(seed).integers(-2, 3, 3).astype(np.float32)
    (found,) = index.search(query[None], k, where)
    scores = {
        i: sum(a * b for a, b in zip(record["vector"], query.tolist(), strict=True))
        for i, record in stored.items()
        if where is None or holds(where, record)
    }
    wanted = sorted(scores, key=lambda i: (-scores[i], i))[:k]
    assert found.ids == wanted
    assert found.scores.tolist() == [scores[i] for i in wanted]
    assert len(index) == len(stored)


@pytest.mark.parametrize("family", ["exact", "approximate"])
@given(CHANGES, st.integers(0, 10_000), st.integers(1, 20), st.none() | FILTERS)
@settings(max_examples=40, deadline=None)
def test_search_is_a_full_sort_after_any_changes(family, tmp_path_factory, changes, seed, k, where):
    index, stored = _empty(family, 3, DECLARED), {}
    place = tmp_path_factory.mktemp("index")
    for change in changes:
        index, stored = _changed(index, stored, change, place)
    _is_the_full_sort(index, stored, seed, k, where)


@pytest.fixture
def table(monkeypatch, database):
    monkeypatch.setenv("CONCORD_INDEX_URL", database)
    return _empty("postgres", 3, DECLARED)


def test_search_of_a_database_is_a_full_sort_after_any_changes(table, tmp_path):
    @given(CHANGES, st.integers(0, 10_000), st.integers(1, 20), st.none() | FILTERS)
    @settings(max_examples=20, deadline=None)
    def check(changes, seed, k, where):
        index, stored = table, {}
        index.delete([str(i) for i in range(16)])
        for change in changes:
            index, stored = _changed(index, stored, change, tmp_path)
        _is_the_full_sort(index, stored, seed, k, where)

    check()


@pytest.fixture
def small(monkeypatch):
    """A graph from 300 records on, so that a test can have one."""
    monkeypatch.setattr(approximate, "_SMALL", 300)
    monkeypatch.setattr(approximate, "_WAITING", 40)
    monkeypatch.setattr(approximate, "_ADDED", 16)
    monkeypatch.setattr(_graph, "_ASKED", 50)


@pytest.mark.usefixtures("small")
def test_a_graph_finds_what_exact_search_finds_through_changes_filters_and_saving(tmp_path):
    rng, n = np.random.default_rng(0), 900
    centres = _unit(20, 12, 1)
    draw = lambda m: centres[rng.integers(0, 20, m)] + 0.1 * _unit(m, 12, int(rng.integers(99)))  # noqa: E731
    index, oracle = _empty("approximate", 12, {"u": "number"}), _empty("exact", 12, {"u": "number"})
    for turn in range(9):
        ids = [str(i) for i in rng.choice(n, 150, replace=False)]
        vectors, u = draw(150).astype(np.float32), rng.random(150).tolist()
        for each in (index, oracle):
            each.upsert(ids, vectors, {"u": u})
            each.delete([str(i) for i in range(turn * 20, turn * 20 + 15)])
        if turn in (4, 7):
            index.save(tmp_path / "index")
            index = approximate.open(tmp_path / "index")
        queries = draw(20).astype(np.float32)
        for where in (None, Range(field="u", below=0.5), Range(field="u", below=0.02)):
            for a, b in zip(
                index.search(queries, 10, where), oracle.search(queries, 10, where), strict=True
            ):
                assert a.ids == b.ids
                assert a.scores.tolist() == b.scores.tolist()
    assert index._graph is not None
    assert len(index) == len(oracle)


def test_a_record_changed_over_and_over_needs_no_more_room(name):
    index = _empty(name, 4)
    if name == "postgres":
        pytest.skip("the database tidies up by itself")
    index.upsert(["a", "b"], np.ones((2, 4), np.float32), {})
    for turn in range(40):
        ids = [f"r{i}" for i in range(100)]
        index.upsert(ids, np.full((100, 4), turn, np.float32), {})
    assert len(index._rows) < 2000
    assert index.search(np.ones((1, 4), np.float32), 1)[0].scores.tolist() == [39 * 4]
