"""Composed queries and hubness correction are what their sources' formulas say."""

import numpy as np
import pytest

from components.core.errors import BadInput
from components.prediction.composing import composed
from components.prediction.hubness import corrected

RNG = np.random.default_rng(0)


def unit(*shape):
    found = RNG.normal(size=shape)
    return (found / np.linalg.norm(found, axis=-1, keepdims=True)).astype(np.float32)


def test_a_query_is_the_weighted_mean_of_what_is_wanted_minus_a_fifth_of_what_is_not():
    like, unlike = unit(3, 8), unit(2, 8)
    weights, against = [1.0, 0.5, 2.0], [1.0, 3.0]
    # The oracle is Rocchio's sum, written out.
    wanted = np.zeros(8)
    for z, w in zip(like, weights, strict=True):
        wanted += w * z / 3.5
    for n, u in zip(unlike, against, strict=True):
        wanted -= 0.2 * u * n / 2
    found = composed(list(zip(like, weights, strict=True)), list(zip(unlike, against, strict=True)))
    assert found == pytest.approx(wanted / np.linalg.norm(wanted), abs=1e-6)


def test_one_example_alone_is_itself_whatever_its_weight():
    (z,) = unit(1, 8)
    assert composed([(z, 0.3)]) == pytest.approx(z, abs=1e-6)


def test_what_is_unwanted_gets_farther():
    a, b = unit(2, 16)
    query = composed([(a, 1.0)], [(b, 1.0)])
    assert query @ b < a @ b


def test_examples_that_cancel_are_refused():
    (z,) = unit(1, 8)
    with pytest.raises(BadInput, match="unlike"):
        composed([(z, 1.0)], [(z, 5.0)])


def test_corrected_scores_are_in_the_order_of_the_dual_bank_formula():
    query, gallery, queries, others = unit(12), unit(40, 12), unit(30, 12), unit(20, 12)
    scores = gallery @ query
    # The oracle is the formula itself: two softmaxes, one over each bank.
    b = 20.0
    wanted = []
    for s, g in zip(scores.astype(float), gallery.astype(float), strict=True):
        by_queries = np.exp(b * s) / np.sum(np.exp(b * (queries.astype(float) @ g)))
        by_others = np.exp(b * s) / np.sum(np.exp(b * (others.astype(float) @ g)))
        wanted.append(by_queries * by_others)
    found = corrected(scores, gallery, queries, others)
    assert np.argsort(-found).tolist() == np.argsort(-np.array(wanted)).tolist()
    gap = np.log(wanted[3] / wanted[7]) / (2 * b)
    assert found[3] - found[7] == pytest.approx(gap, abs=1e-6)


def test_hubs_lose_what_makes_them_hubs():
    """Queries have a common direction, and so have a few records: these are near to all queries."""
    shift = 0.8 * unit(16)
    meaning = unit(200, 16)
    gallery = meaning + np.where(np.arange(200)[:, None] < 10, 3.0, 0.0) * shift
    gallery /= np.linalg.norm(gallery, axis=1, keepdims=True)
    asked = meaning + shift + 0.1 * unit(200, 16)
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    bank, test = asked[::2], np.arange(1, 200, 2)
    plain = asked[test] @ gallery.T
    fair = np.stack([corrected(s, gallery, bank, gallery[::2]) for s in plain])

    def skew(scores):
        hits = np.bincount(np.argsort(-scores, axis=1)[:, :10].ravel(), minlength=200)
        return ((hits - hits.mean()) ** 3).mean() / hits.std() ** 3

    assert skew(fair) < skew(plain) / 2
    first = lambda scores: (scores.argmax(axis=1) == test).mean()  # noqa: E731
    assert first(fair) > first(plain)


def test_without_a_bank_nothing_is_corrected():
    scores = np.array([0.5, 0.2])
    none = np.zeros((0, 4), np.float32)
    assert corrected(scores, unit(2, 4), none, none).tolist() == [0.5, 0.2]
