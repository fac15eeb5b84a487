"""Rounds of self-training: what is held fast, what is kept, and what it is good for."""

import numpy as np
import pytest

from components.parts.heads import gda, logistic
from components.training.labelled import Labelled, folds_of
from components.training.members import crossfit
from components.training.self_training import pseudo_weights, self_train
from components.training.views import Views

HEADS = {"logistic": logistic.build(logistic.Config())}


def rings(seed=0, count=400):
    """Two classes that no line divides well, but whose neighbours are of their own."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    angle = rng.random(count) * np.pi
    x = np.stack([np.cos(angle), np.sin(angle)], axis=1) + 0.05 * rng.normal(size=(count, 2))
    x[labels == 1] = np.array([1.0, 0.4]) - x[labels == 1]
    far = x[:, :, None] * np.array([1.0, 2.0, 3.0])
    features = np.concatenate([np.cos(far), np.sin(far)], axis=1).reshape(count, -1)
    return labels, (features / np.sqrt(features.shape[1])).astype(np.float32)


def one_view(x):
    return Views(features={"x": x}, present={"x": np.ones(len(x), bool)})


def labelled_of(labels, rows):
    folds = folds_of(labels[rows], 3, 0)
    return Labelled(rows=rows, targets=np.eye(2)[labels[rows]], folds=folds, activation="softmax")


@pytest.fixture(scope="module")
def trained():
    labels, x = rings()
    labelled = labelled_of(labels, np.arange(24))
    before = crossfit(one_view(x), labelled, HEADS)
    return labels, x, labelled, before, self_train(one_view(x), labelled, before, np.arange(300))


def test_the_records_without_labels_help_where_classes_are_clusters(trained):
    labels, x, _, before, found = trained
    right = [
        (committee.logits(one_view(x))[300:].argmax(axis=1) == labels[300:]).mean()
        for committee in (before, found.committee)
    ]
    assert found.rounds[0].kept
    assert right[1] >= right[0]
    spread = found.distributions[-1].argmax(axis=1) == labels[:300]
    assert spread[24:].mean() >= right[0]


def test_labels_are_held_fast_but_for_those_of_the_held_out_fold(trained):
    _, _, labelled, _, found = trained
    for fit in range(labelled.fits):
        own = labelled.folds != fit
        shown = found.distributions[fit, : len(labelled.rows)]
        assert np.array_equal(shown[own], labelled.targets[own])
        assert shown[~own].min(initial=1) > 0


def test_a_round_that_held_out_records_speak_against_leaves_the_committee(trained, monkeypatch):
    _, x, labelled, before, _ = trained
    monkeypatch.setattr(Labelled, "better", lambda *_: False)
    found = self_train(one_view(x), labelled, before, np.arange(300))
    assert [each.kept for each in found.rounds] == [False]
    own = before.logits(one_view(x)) + found.shift
    assert np.allclose(found.committee.logits(one_view(x)), own, atol=1e-5)


def test_a_view_that_no_sure_record_has_leaves_the_rounds_as_they_are(trained):
    """It says nothing, and so do the members that read it."""
    _, x, labelled, before, _ = trained
    nobody = np.zeros(len(x), bool)
    views = Views(features={"x": x, "y": np.zeros_like(x)}, present={"x": ~nobody, "y": nobody})
    found = self_train(views, labelled, before, np.arange(300), rounds=1)
    assert found.rounds[0].kept
    assert np.isfinite(found.committee.every(views, np.arange(300))).all()


def test_a_pseudo_label_weighs_half_its_confidence_and_nothing_below_one_half():
    labelled = labelled_of(np.array([0, 1, 0, 1]), np.arange(4))
    shown = np.array([[0.9, 0.1], [0.5, 0.5], [0.3, 0.7]])
    assert pseudo_weights(shown, labelled).tolist() == [0.45, 0.0, 0.35]


def test_labels_that_are_not_drawn_as_records_come_do_not_make_rare_classes_common():
    rng = np.random.default_rng(0)
    labels = np.concatenate([np.arange(60) % 2, (rng.random(600) < 0.1).astype(int)])
    x = (rng.normal(size=(660, 6)) + 0.8 * labels[:, None]).astype(np.float32) / 3
    labelled = labelled_of(labels, np.arange(60))
    before = crossfit(one_view(x), labelled, HEADS)
    found = self_train(one_view(x), labelled, before, np.arange(400))
    right = [
        (committee.logits(one_view(x))[400:].argmax(axis=1) == labels[400:]).mean()
        for committee in (before, found.committee)
    ]
    assert found.shift[0] > found.shift[1]
    assert right[1] > right[0] + 0.03
    assert found.distributions[-1][60:, 0].mean() > 0.7


@pytest.mark.parametrize(("noise", "loses"), [(5, True), (9, False)])
def test_under_strong_noise_it_is_not_below_labels_alone_where_hard_pseudo_labels_are(noise, loses):
    """Two views with far more noise than signal; the oracle is scikit-learn's self-training."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.semi_supervised import SelfTrainingClassifier

    rng, classes, dim, known = np.random.default_rng(0), 10, 200, np.arange(40)
    labels = np.concatenate([np.repeat(np.arange(10), 4), rng.integers(10, size=1600)])
    features = {}
    for view in ("a", "b"):
        x = rng.normal(size=(classes, dim))[labels] + noise * rng.normal(size=(len(labels), dim))
        features[view] = (x / np.sqrt(dim * (1 + noise**2))).astype(np.float32)
    views = Views(features=features, present={v: np.ones(len(labels), bool) for v in features})
    pool, judged = np.arange(840), np.arange(840, len(labels))
    labelled = Labelled(
        rows=known,
        targets=np.eye(classes)[labels[known]],
        folds=folds_of(labels[known], 5, 0),
        activation="softmax",
    )
    before = crossfit(views, labelled, {**HEADS, "gda": gda.build(gda.Config())})
    after = self_train(views, labelled, before, pool).committee
    ours = [(c.logits(views, rows=judged).argmax(1) == labels[judged]) for c in (before, after)]
    assert ours[1].mean() >= ours[0].mean() - 0.005

    side = np.hstack(list(features.values())) * np.sqrt(dim / 2)
    head = LogisticRegression(C=30, max_iter=200)
    theirs = SelfTrainingClassifier(head).fit(
        side[pool], np.where(pool < len(known), labels[pool], -1)
    )
    alone = head.fit(side[known], labels[known])
    right = [(m.predict(side[judged]) == labels[judged]).mean() for m in (alone, theirs)]
    assert (right[1] < right[0] - 0.1) == loses
