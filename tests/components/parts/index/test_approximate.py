"""The families with a graph: recall beside exact search at every selectivity, on several shapes."""

import sys

import numpy as np
import pytest

from benchmarks.search import FILTERS, SETS, attributes, recall
from components.core.errors import UserError
from components.parts import loading as parts
from components.parts.filters import In
from components.parts.index import _graph, approximate

_DECLARED = {"a": "text", "b": "text", "u": "number"}


def _built(records, family="approximate"):
    module = parts.load("index", family)
    index = module.build(module.Config(), dim=records.shape[1], attributes=_DECLARED)
    ids = [f"r{i:07d}" for i in range(len(records))]
    index.upsert(ids, records, attributes(len(records)))
    return index


def _recalls(index, queries):
    for share, where in FILTERS.items():
        found = [f.ids for f in index.search(queries, 10, where)]
        wanted = [f.ids for f in index.search(queries, 10, where, exact=True)]
        yield share, recall(found, wanted)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("shape", ["clustered", "manifold", "random"])
def test_recall_is_at_least_999_at_every_selectivity(shape):
    records, queries = SETS[shape](30_000)
    index = _built(records)
    for share, reached in _recalls(index, queries):
        assert reached >= 0.999, share
    ids = [f"r{i:07d}" for i in range(0, 30_000, 3)]
    index.delete(ids[:5000])
    index.upsert(ids[5000:], records[: len(ids) - 5000][::-1].copy(), attributes(len(ids) - 5000))
    for share, reached in _recalls(index, queries):
        assert reached >= 0.999, share


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_recall_of_a_database_is_at_least_999_at_every_selectivity(monkeypatch, database):
    monkeypatch.setenv("CONCORD_INDEX_URL", database)
    records, queries = SETS["manifold"](25_000)
    for share, reached in _recalls(_built(records, "postgres"), queries[:100]):
        assert reached >= 0.999, share


def test_filters_that_point_away_from_the_query_are_still_searched(monkeypatch):
    """All allowed records lie opposite to the query, so that the graph near it leads to none."""

    monkeypatch.setattr(approximate, "_SMALL", 1000)
    monkeypatch.setattr(_graph, "_ASKED", 50)
    rng = np.random.default_rng(0)
    records = rng.normal(size=(2000, 8)).astype(np.float32)
    records[:, 0] = np.where(np.arange(2000) < 1000, 5, -5)
    records /= np.linalg.norm(records, axis=1, keepdims=True)
    module = parts.load("index", "approximate")
    index = module.build(module.Config(), dim=8, attributes={"side": "text"})
    sides = ["near"] * 1000 + ["far"] * 1000
    index.upsert([f"r{i:04d}" for i in range(2000)], records, {"side": sides})

    where = In("side", ("far",))
    found = index.search(records[:20], 10, where)
    wanted = index.search(records[:20], 10, where, exact=True)
    assert [f.ids for f in found] == [f.ids for f in wanted]


def test_where_its_library_is_missing_what_to_install_is_told(monkeypatch):
    monkeypatch.setattr(approximate, "_SMALL", 50)
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(UserError, match=r"needs the library faiss-cpu.*concord\[serve\]"):
        _built(np.eye(100, dtype=np.float32))
