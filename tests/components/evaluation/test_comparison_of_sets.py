"""Models of sets of classes and of search, compared on the same rows."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from components.evaluation.comparison import figure, mcnemar, nearer, paired_bootstrap
from components.evaluation.retrieval import every_pair, hits

RNG = np.random.default_rng(0)


def _scores(labels, skill):
    return skill * labels + (1 - skill) * RNG.random(labels.shape)


def test_the_interval_of_macro_map_is_that_of_resampled_rows():
    labels = (RNG.random((60, 3)) < 0.3).astype(np.int8)
    a, b = _scores(labels, 0.6), _scores(labels, 0.2)
    found = paired_bootstrap(labels, a, b, metric="macro_map", resamples=600)
    point = [average_precision_score(labels, x, average="macro") for x in (a, b)]
    assert found.difference == pytest.approx(point[0] - point[1])
    draws = []
    for _ in range(600):
        rows = RNG.integers(0, 60, 60)
        some = labels[rows].any(axis=0)
        each = [average_precision_score(labels[rows][:, some], x[rows][:, some]) for x in (a, b)]
        draws.append(each[0] - each[1])
    low, high = np.quantile(draws, [0.025, 0.975])
    assert found.low == pytest.approx(low, abs=0.03)
    assert found.high == pytest.approx(high, abs=0.03)


def test_hits_are_those_of_the_search_figures_and_chance_is_chance():
    vectors = {n: RNG.normal(size=(40, 4)).astype(np.float32) for n in ("a", "b")}
    present = {"a": RNG.random(40) < 0.8, "b": RNG.random(40) < 0.8}
    groups = [f"g{i // 2}" for i in range(40)]
    found, chance = hits(vectors, present, groups)
    pairs = every_pair(vectors, present, groups)
    wanted = [pairs[pair].recall[10] for pair in ("a->b", "b->a")]
    assert np.nanmean(found, axis=0) == pytest.approx(wanted)
    assert figure(found, found, "recall@10") == pytest.approx(np.mean(wanted))
    gallery = np.flatnonzero(present["b"])
    row = next(r for r in np.flatnonzero(present["a"]) if np.isfinite(chance[r, 0]))
    own = [i for i in gallery if groups[i] == groups[row]]
    drawn = [np.isin(RNG.permutation(gallery)[:10], own).any() for _ in range(4000)]
    assert chance[row, 0] == pytest.approx(np.mean(drawn), abs=0.03)


def test_the_nearer_answer_counts():
    labels = np.array([[1, 0], [0, 1], [1, 1]], dtype=np.int8)
    a = np.array([[0.9, 0.1], [0.5, 0.5], [0.0, 0.0]])
    b = np.array([[0.8, 0.1], [0.5, 0.5], [0.9, 0.9]])
    better = nearer(labels, a, b, "macro_map")
    assert better.tolist() == [1, 0, -1]
    assert mcnemar(better > 0, better < 0) == 1.0
