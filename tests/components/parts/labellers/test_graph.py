"""Label spreading against scikit-learn's, and the mutual neighbours against a search by hand."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.semi_supervised import LabelSpreading

from components.parts.labellers import graph
from components.parts.labelling import Evidence, Records


def blobs(count=60, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    x = rng.normal(size=(3, 5))[labels] * 2 + rng.normal(size=(count, 5)) * 0.5
    return labels, x.astype(np.float32)


def evidence(x, classes=3):
    n = len(x)
    even = np.full((n, classes), 1 / classes)
    records = Records(
        classes=["a", "b", "c"],
        folds=np.zeros(n, int),
        features=lambda: {"x/v": x},
        told=lambda _: {},
    )
    return Evidence(
        fused=even, by_modality={"x": even}, present=np.ones((n, 1), bool), records=records
    )


def label(x, known, labels, **options):
    decide = graph.build(graph.Config(**{"neighbours": 8, **options}))
    return decide(evidence(x), evidence(known), labels, np.full(3, 1 / 3))


def test_mutual_neighbours_are_those_of_a_search_by_hand():
    _, x = blobs(30)
    found = graph.mutual({"x/v": x}, 4).toarray()
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    cosine = (unit @ unit.T).astype(float)
    np.fill_diagonal(cosine, -np.inf)
    near = np.zeros_like(cosine, bool)
    for row, order in enumerate(np.argsort(-cosine, axis=1)[:, :4]):
        near[row, order] = True
    wanted = np.where(near & near.T & (cosine > 0), cosine, 0)
    assert np.allclose(found, wanted, atol=1e-5)


def test_spreading_is_that_of_scikit_learn():
    """Oracle: LabelSpreading with the same weights as its kernel."""
    labels, x = blobs()
    weights = graph.mutual({"x/v": x}, 8).toarray()
    start = np.zeros((60, 3))
    start[:6] = np.eye(3)[labels[:6]]
    found = graph.spread({"x": csr_array(weights)}, {"x": 1.0}, start, 0.8)
    oracle = LabelSpreading(kernel=lambda a, b: weights, alpha=0.8, max_iter=2000, tol=1e-9)  # noqa: ARG005
    oracle.fit(x, np.where(np.arange(60) < 6, labels, -1))
    own = found / np.maximum(found.sum(axis=1, keepdims=True), 1e-12)
    reached = found.sum(axis=1) > 1e-6
    assert reached.mean() > 0.9
    assert np.allclose(own[reached], oracle.label_distributions_[reached], atol=1e-3)


def test_two_labels_of_each_cluster_label_it_all_and_the_weight_is_one_less_the_entropy():
    labels, x = blobs()
    found = label(x[6:], x[:6], labels[:6])
    assert (found.labels == labels[6:])[found.accepted].mean() > 0.95
    p = found.soft[0]
    entropy = -(p[p > 0] * np.log(p[p > 0])).sum()
    assert found.confidence[0] == pytest.approx(1 - entropy / np.log(3))


def test_a_record_without_a_path_to_a_label_gets_none():
    labels, x = blobs()
    far = np.concatenate([x[6:], -x[:1] * 50])
    found = label(far, x[:6], labels[:6])
    alone = ~found.accepted
    assert alone[-1]
    assert found.reasons[-1] == "no path to a label"


def test_a_modality_that_answers_better_weighs_more():
    labels = np.arange(12) % 3
    right = np.eye(3)[labels] * 0.8 + 0.05
    wrong = np.roll(right, 1, axis=1)
    held = Evidence(
        fused=right, by_modality={"a": right, "b": wrong}, present=np.ones((12, 2), bool)
    )
    found = graph.shares(held, labels)
    assert found["a"] == pytest.approx(0.95)
    assert found["b"] == pytest.approx(0.05), "never left out entirely"


def test_a_class_of_a_set_is_weighed_against_its_absence():
    labels, x = blobs()
    sets = np.stack([labels == 0, labels != 2, labels == 2], axis=1).astype(np.int64)
    decide = graph.build(graph.Config(neighbours=8))
    found = decide(evidence(x[9:]), evidence(x[:9]), sets[:9], np.full(3, 0.5))
    known = found.labels >= 0
    assert known.mean() > 0.5
    assert (found.labels == sets[9:])[known].mean() > 0.95
