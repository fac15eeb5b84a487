"""The head finds what scikit-learn's logistic regression finds."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from components.parts.heads import logistic


def problem(classes):
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(classes, 6))
    labels = rng.integers(classes, size=90)
    x = (centres[labels] + rng.normal(size=(90, 6))) / np.sqrt(6)
    return x.astype(np.float32), labels


def test_one_of_three_classes_is_scikit_learns_multinomial_regression():
    x, labels = problem(3)
    config = logistic.Config(strengths=(0.5, 5.0), iterations=500)
    weights = np.stack([np.ones(90), np.arange(90) < 60], axis=1)
    fits = list(logistic.build(config).path(x, np.eye(3)[labels], weights, "softmax"))
    for strength, found in zip((0.5, 5.0), fits, strict=True):
        for fit, rows in enumerate((slice(None), slice(60))):
            oracle = LogisticRegression(C=strength, tol=1e-8, max_iter=5000)
            oracle.fit(x[rows], labels[rows])
            logits = found.logits(x, fit)
            p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
            assert np.abs(p - oracle.predict_proba(x)).max() < 5e-3


def test_any_number_of_classes_is_one_binary_regression_for_each():
    x, labels = problem(3)
    targets = np.stack([labels == 0, labels != 2], axis=1).astype(float)
    config = logistic.Config(strengths=(2.0,), iterations=500)
    (found,) = logistic.build(config).path(x, targets, np.ones((90, 1)), "sigmoid")
    p = 1 / (1 + np.exp(-found.logits(x, 0)))
    for column in range(2):
        oracle = LogisticRegression(C=2.0, tol=1e-8, max_iter=5000).fit(x, targets[:, column])
        assert np.abs(p[:, column] - oracle.predict_proba(x)[:, 1]).max() < 5e-3


def test_a_soft_target_counts_as_its_classes_in_their_shares():
    x, labels = problem(2)
    targets = np.eye(2)[labels] * 0.8 + 0.1
    config = logistic.Config(strengths=(2.0,), iterations=500)
    (found,) = logistic.build(config).path(x, targets, np.ones((90, 1)), "softmax")
    # In its binary form scikit-learn has one vector in the place of two opposite halves, so its
    # penalty is twice as large.
    oracle = LogisticRegression(C=4.0, tol=1e-8, max_iter=5000).fit(
        np.concatenate([x, x]), np.repeat([0, 1], 90), sample_weight=targets.T.ravel()
    )
    logits = found.logits(x, 0)
    p = 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))
    assert np.abs(p - oracle.predict_proba(x)[:, 1]).max() < 5e-3


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_a_class_without_a_record_gets_finite_weights(activation):
    x, labels = problem(2)
    (*_, last) = logistic.build(logistic.Config()).path(
        x, np.eye(3)[labels], np.ones((90, 1)), activation
    )
    assert np.isfinite(last.weight).all()
    assert last.logits(x, 0)[:, 2].mean() < last.logits(x, 0)[:, :2].mean()


def test_a_path_that_would_take_too_much_work_ends_early(monkeypatch):
    x, labels = problem(3)
    arguments = (x, np.eye(3)[labels], np.ones((90, 1)), "softmax")
    head = logistic.build(logistic.Config())
    whole = list(head.path(*arguments))
    assert len(whole) == len(logistic.Config().strengths)
    monkeypatch.setattr(logistic, "_WORK", 0.0)  # as if there were very many classes
    short = list(head.path(*arguments))
    assert 1 <= len(short) < len(whole)
    assert all(np.isfinite(found.weight).all() for found in short)
    right = short[-1].logits(x, 0).argmax(axis=1) == labels
    assert right.mean() > 0.7


def test_thousands_of_classes_are_not_affordable_and_ordinary_sizes_are():
    head = logistic.build(logistic.Config())
    assert head.affordable(15_000, 768, 4, 50)
    assert not head.affordable(6_000, 256, 4, 3_000)
    assert not head.affordable(6_000, 20, 4, 3_000), "little work, but gigabytes"
