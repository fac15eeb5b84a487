"""The contract of every index, and exact search against a loop."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.parts import loading as parts


def _unit(n, dim, seed):
    x = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def _build(name, **data):
    return parts.load("index", name).build(parts.configure("index", name, {}), **data)


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
    index = _build(name, ids=[f"r{i}" for i in range(200)], vectors=vectors)
    for row, found in enumerate(index.search(vectors[:20], 7)):
        assert found.rows[0] == row
        assert len(found.rows) == 7
        assert (np.diff(found.scores) <= 0).all()
        assert found.scores == pytest.approx(vectors[found.rows] @ vectors[row], abs=1e-5)


def test_rows_that_are_absent_or_not_allowed_are_never_found(name):
    vectors, present = _unit(50, 8, 1), np.arange(50) % 2 == 0
    vectors[~present] = 0
    index = _build(name, ids=[f"r{i}" for i in range(50)], vectors=vectors, present=present)
    allowed = np.arange(50) < 10
    (found,) = index.search(-vectors[:1], 20, allowed)
    assert sorted(found.rows) == [0, 2, 4, 6, 8]
    (nothing,) = index.search(vectors[:1], 3, np.zeros(50, dtype=bool))
    assert len(nothing.rows) == len(nothing.scores) == 0
    assert len(index) == 25


def test_the_same_query_gives_the_same_answer_alone_and_among_others(name):
    vectors = _unit(300, 16, 2)
    index = _build(name, ids=[f"r{i}" for i in range(300)], vectors=vectors)
    together = index.search(vectors[:10], 5)
    for row in range(10):
        assert (
            index.search(vectors[row : row + 1], 5)[0].rows.tolist() == together[row].rows.tolist()
        )


@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 45))
@settings(max_examples=60, deadline=None)
def test_exact_search_is_a_full_sort_with_ties_by_id(seed, n, k):
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-1, 2, (n, 3)).astype(np.float32)  # small whole numbers: many exact ties
    ids = [f"r{i}" for i in rng.permutation(n)]
    query = rng.integers(-2, 3, 3).astype(np.float32)
    allowed = rng.random(n) < 0.7
    (found,) = _build("exact", ids=ids, vectors=vectors).search(query[None], k, allowed)
    scores = {
        r: sum(float(a) * float(b) for a, b in zip(vectors[r], query, strict=True))
        for r in range(n)
        if allowed[r]
    }
    assert found.rows.tolist() == sorted(scores, key=lambda r: (-scores[r], ids[r]))[:k]
