import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.feature_extraction.text import TfidfTransformer

from components.features import tfidf
from components.parts.encoders._ngrams import counted

TRAINING = ["red shoe", "red red hat", "blue shoe", "red shoe and hat", "scarf", "green shoe"]
NEW = ["blue red red red hat", "", "umbrella"]
BUCKETS = 2_048


def counts(texts):
    return counted(texts, BUCKETS)


def rows():
    """Random sparse rows of unit length whose strengths fall steeply."""
    rng = np.random.default_rng(0)
    topics = rng.random((12, 80)) * (rng.random((12, 80)) < 0.3)
    dense = (rng.random((200, 12)) * 0.6 ** np.arange(12)) @ topics
    dense[:, rng.random(80) < 0.2] = 0
    return csr_array((dense / np.linalg.norm(dense, axis=1)[:, None]).astype(np.float32))


def test_weights_are_those_of_scikit_learn():
    oracle = TfidfTransformer(sublinear_tf=True).fit(counts(TRAINING))
    found = tfidf.idf(counts(TRAINING))
    assert found == pytest.approx(oracle.idf_, rel=1e-6)
    for texts in (TRAINING, NEW):
        given, before = counts(texts), counts(texts)
        wanted = oracle.transform(counts(texts)).toarray()
        assert np.allclose(tfidf.weighted(given, found).toarray(), wanted, atol=1e-6)
        assert (given != before).nnz == 0


def test_a_text_without_counts_stays_empty_and_no_texts_give_no_rows():
    weights = tfidf.idf(counts(TRAINING))
    assert tfidf.weighted(counts(["?", ""])[[1]], weights).nnz == 0
    assert tfidf.weighted(counts([]), weights).shape == (0, BUCKETS)


def test_directions_are_those_of_the_exact_decomposition():
    given = rows()
    found = tfidf.reduction(given, 6)
    exact = np.linalg.svd(given.toarray()[:, found.buckets], full_matrices=False)[2][:6]
    assert np.abs((found.components * exact).sum(1)) == pytest.approx(np.ones(6), abs=1e-3)
    farthest = np.abs(found.components).argmax(1)
    assert (found.components[np.arange(6), farthest] > 0).all()
    wanted = given.toarray()[:, found.buckets] @ found.components.T
    assert np.allclose(found.transform(given), wanted, atol=1e-5)


def test_the_same_rows_give_the_same_directions_bit_by_bit():
    first, second = (tfidf.reduction(rows(), 6, seed=3) for _ in range(2))
    assert np.array_equal(first.components, second.components)


def test_only_the_buckets_of_most_records_are_read(monkeypatch):
    monkeypatch.setattr(tfidf, "_MOST_BUCKETS", 10)
    given = rows()
    frequency = (given.toarray() != 0).sum(0)
    found = tfidf.reduction(given, 4)
    assert len(found.buckets) == 10
    assert frequency[found.buckets].min() >= np.sort(frequency)[-10]


@pytest.mark.parametrize(
    ("texts", "most"), [([], 0), (["", "?"], 1), (["a"], 1), (["red shoe"] * 9, 1), (TRAINING, 6)]
)
def test_there_are_no_more_directions_than_the_rows_have(texts, most):
    given = counts(texts)
    weighted = tfidf.weighted(given, tfidf.idf(given))
    found = tfidf.reduction(weighted, 64)
    assert len(found.components) == most
    reduced = found.transform(weighted)
    assert reduced.shape == (len(texts), most)
    assert reduced.dtype == np.float32
    # As many directions as rows lose nothing.
    assert np.allclose(reduced @ reduced.T, (weighted @ weighted.T).toarray(), atol=1e-5)
