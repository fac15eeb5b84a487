"""Sets of classes: scikit-learn and torch are the oracles of figures and losses."""

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, f1_score, log_loss
from torch.nn.functional import binary_cross_entropy_with_logits

from components.features.target import build_target
from components.parts import label_sets

CLASSES = ["a", "b", "c", "d"]
RNG = np.random.default_rng(3)


def drawn(n=80):
    """Labels of which the last class has none, and scores with many ties."""
    labels = (RNG.random((n, 4)) < [0.5, 0.2, 0.1, 0.0]).astype(np.int8)
    scores = np.round(0.3 * labels + 0.7 * RNG.random((n, 4)), 1)
    return labels, scores


def test_figures_are_those_of_scikit_learn():
    labels, scores = drawn()
    found = build_target("multi", CLASSES).metrics(labels, scores)
    occurs = labels.any(axis=0)
    decided = scores >= 0.5
    wanted = average_precision_score(labels[:, occurs], scores[:, occurs], average="macro")
    assert found["macro_map"] == pytest.approx(wanted)
    assert found["micro_f1"] == pytest.approx(f1_score(labels, decided, average="micro"))
    macro = f1_score(labels[:, occurs], decided[:, occurs], average="macro", zero_division=0)
    assert found["macro_f1"] == pytest.approx(macro)


def test_weighted_average_precision_is_that_of_repeated_records():
    labels, scores = drawn(30)
    times = RNG.integers(0, 3, (2, 30))
    found = label_sets.average_precisions(labels, scores, times)
    for row, weights in zip(found, times, strict=True):
        again = label_sets.average_precisions(
            np.repeat(labels, weights, axis=0), np.repeat(scores, weights, axis=0)
        )
        np.testing.assert_allclose(row, again)


def test_a_class_that_nobody_knows_for_a_record_counts_nowhere():
    labels, scores = drawn()
    labels[::3, 0] = -1
    target = build_target("multi", CLASSES)
    known = labels[:, 0] >= 0
    found = label_sets.average_precisions(labels, scores)[0]
    assert found == pytest.approx(average_precision_score(labels[known, 0], scores[known, 0]))
    assert target.shares(labels)[0] == pytest.approx((labels[known, 0] == 1).mean())
    logits = torch.randn(len(labels), 4)
    soft = target.soft(torch.from_numpy(labels), 0.1)
    rows = target.cross_entropy(logits, soft)
    wanted = [
        binary_cross_entropy_with_logits(row[k >= 0], (k[k >= 0] * 0.9 + 0.05).float())
        for row, k in zip(logits, torch.from_numpy(labels), strict=True)
    ]
    assert torch.allclose(rows, torch.stack(wanted), atol=1e-6)


def test_the_temperature_makes_labels_likeliest():
    labels, _ = drawn(300)
    logits = 6 * (labels - 0.5) + RNG.normal(0, 6, labels.shape)
    target = build_target("multi", CLASSES)
    t = target.calibrate(logits, labels)

    def loss(temperature):
        return log_loss(labels.ravel(), target.probabilities(logits, temperature).ravel())

    assert loss(t) < min(loss(0.9 * t), loss(1.1 * t), loss(1.0))


def test_a_threshold_has_the_best_f1_of_its_class():
    labels, scores = drawn(200)
    scores = scores + RNG.random(scores.shape) / 50
    target = build_target("multi", CLASSES)
    found = target.fit_thresholds(scores, labels)
    for c in range(3):
        best = max(f1_score(labels[:, c], scores[:, c] >= t) for t in scores[:, c])
        assert f1_score(labels[:, c], scores[:, c] >= found[c]) == pytest.approx(best)
    flat = labels.ravel(), scores.ravel()
    common = max(f1_score(flat[0], flat[1] >= t) for t in flat[1][::5])
    assert f1_score(flat[0], flat[1] >= found[3]) >= common


def test_thresholds_decide():
    target = build_target("multi", CLASSES).with_thresholds([0.1, 0.9, 0.5, 0.5])
    p = np.array([[0.2, 0.8, 0.6, 0.0], [0.0, 0.0, 0.0, 0.0]])
    assert target.decode(target.decide(p)) == [["a", "c"], []]
    assert target.row(p[0])["labels"] == ["a", "c"]


def test_the_empty_set_is_a_label_and_none_is_not():
    target = build_target("multi", CLASSES)
    codes = target.encode([[], None, ["b", "unknown"]])
    assert codes.dtype == np.int8
    assert target.labelled(codes).tolist() == [True, False, True]
    assert codes[2].tolist() == [0, 1, 0, 0]
