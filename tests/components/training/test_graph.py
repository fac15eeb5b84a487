"""Neighbours and propagation against a brute-force search and a direct solution."""

import numpy as np
import pytest

from components.parts.graphs import propagated
from components.training.graph import NEIGHBOURS, neighbour_graph
from components.training.views import Views


@pytest.fixture(scope="module")
def views():
    rng = np.random.default_rng(0)
    features = {name: rng.normal(size=(80, 6)).astype(np.float32) for name in ("a", "b")}
    present = {"a": np.ones(80, bool), "b": np.arange(80) % 2 == 0}
    features["b"] *= present["b"][:, None]
    return Views(features=features, present=present)


WEIGHTS = {"a": 0.7, "b": 0.3}


def by_hand(views, rows):
    similarity = np.zeros((len(rows), len(rows)))
    for view, weight in WEIGHTS.items():
        x = views.features[view][rows].astype(float)
        x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
        similarity += weight * x @ x.T
    np.fill_diagonal(similarity, -np.inf)
    nearest = np.argsort(-similarity, axis=1)[:, :NEIGHBOURS]
    one_way = np.zeros_like(similarity)
    for row, found in enumerate(nearest):
        one_way[row, found] = np.maximum(similarity[row, found], 0) ** 4
    both = np.maximum(one_way, one_way.T)
    degrees = both.sum(axis=1)
    return both / np.sqrt(np.outer(degrees, degrees))


def test_the_graph_is_that_of_a_search_by_hand(views):
    rows = np.arange(0, 80, 2)
    graph = neighbour_graph(views, WEIGHTS, rows).toarray()
    assert np.allclose(graph, by_hand(views, rows), atol=1e-4)
    assert np.allclose(graph, graph.T, atol=1e-7)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
def test_propagation_solves_the_linear_system(views, share):
    rows = np.arange(80)
    graph = neighbour_graph(views, WEIGHTS, rows)
    start = np.random.default_rng(1).random((80, 3))
    wanted = np.linalg.solve(np.eye(80) - share * graph.toarray(), (1 - share) * start)
    assert np.allclose(propagated(graph, start, share, tolerance=1e-8), wanted, atol=1e-6)
