"""Probe and vote against scikit-learn and a loop by hand."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score

from components.evaluation.floor import nearest_prototype, probe, vote


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    codes = np.arange(90) % 3
    x = rng.normal(size=(3, 6))[codes] + 0.7 * rng.normal(size=(90, 6))
    return x[:45].astype(np.float32), codes[:45], x[45:].astype(np.float32), codes[45:]


def test_neighbours_vote_by_the_exponential_of_their_cosine(problem):
    """Oracle: the formula, record by record."""
    store, codes, asked, _ = problem
    found = vote(store, codes, asked, 3, k=5, tau=0.1)
    for row, x in enumerate(asked[:10]):
        cosines = store @ x / np.linalg.norm(store, axis=1) / np.linalg.norm(x)
        wanted = np.zeros(3)
        for i in np.argsort(-cosines)[:5]:
            wanted[codes[i]] += np.exp(cosines[i] / 0.1)
        assert np.allclose(found[row], wanted / wanted.sum(), atol=1e-5)


def test_the_probe_answers_as_scikit_learns_balanced_regression_does(problem):
    store, codes, asked, truth = problem
    keep = np.arange(45) % 3 != 0
    keep[:12] = True  # the first class is rarer
    store, codes = store[keep], codes[keep]
    centre = store.mean(axis=0)
    size = np.linalg.norm(store - centre) / np.sqrt(len(store))
    x, z = ((each - centre) / size for each in (store, asked))
    found = probe(store, codes, asked, 3)
    oracles = []
    for strength in (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0):
        made = LogisticRegression(C=strength, class_weight="balanced", tol=1e-8, max_iter=5000)
        oracles.append(np.abs(made.fit(x, codes).predict_proba(z) - found).max())
    assert min(oracles) < 0.02
    assert accuracy_score(truth, found.argmax(axis=1)) > 0.6


def test_the_nearest_prototype_is_the_mean_of_unit_vectors(problem):
    store, codes, asked, _ = problem
    unit = store / np.linalg.norm(store, axis=1, keepdims=True)
    means = np.stack([unit[codes == c].mean(axis=0) for c in range(3)])
    wanted = (asked @ means.T / np.linalg.norm(means, axis=1)).argmax(axis=1)
    assert (nearest_prototype(store, codes, asked, 3).argmax(axis=1) == wanted).all()
