"""Votes by hand, and rounds that stop where labelled records say that precision falls."""

import numpy as np
import pytest

from components.parts.labellers import voting
from components.parts.labelling import Evidence, Records


def test_a_class_needs_its_share_of_the_heads_that_can_read_the_record():
    first, second, _ = np.eye(3)
    nobody = np.full(3, np.nan)
    p = np.array([[first, first], [first, second], [second, nobody], [first, nobody]])
    found = voting.poll(p, 0.75, "softmax")
    assert found.share.tolist() == [[0.75, 0.25, 0], [0.5, 0.5, 0]]
    assert found.given.tolist() == [[True, False, False], [False] * 3]


def test_of_sets_each_class_is_voted_on():
    p = np.array([[[0.9, 0.2, 0.6]], [[0.8, 0.1, 0.4]]])
    found = voting.poll(p, 0.8, "sigmoid")
    assert found.given.tolist() == [[True, False, False]]
    assert found.denied.tolist() == [[False, True, False]]


@pytest.mark.parametrize(
    ("precision", "rounds"),
    [
        ([0.9, 0.91, 0.92], 3),
        ([0.9, 0.88, 0.99], 1),
        ([0.9, 0.895, 0.88], 2),
        ([np.nan], 1),
        ([np.nan, 0.9], 1),
    ],
)
def test_rounds_stop_where_precision_falls_by_more_than_a_point(precision, rounds):
    assert voting.kept_rounds(np.array(precision)) == rounds


def blobs(spread, count=120, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    x = rng.normal(size=(2, 3, 6))[:, labels] + spread * rng.normal(size=(2, count, 6))
    return labels, {"a/v": x[0].astype(np.float32), "b/v": x[1].astype(np.float32)}


def evidence(views):
    n = len(views["a/v"])
    even = np.full((n, 3), 1 / 3)
    records = Records(
        classes=list("abc"), folds=np.arange(n) // 3 % 3, features=lambda: views, told=lambda _: {}
    )
    return Evidence(
        fused=even,
        by_modality={"a": even, "b": even},
        present=np.ones((n, 2), bool),
        records=records,
    )


def taken(views, rows):
    return {view: x[rows] for view, x in views.items()}


def test_what_most_heads_name_is_more_often_right_than_one_head():
    labels, views = blobs(0.8)
    pool, known = evidence(taken(views, slice(18, None))), evidence(taken(views, slice(18)))
    found = voting.build(voting.Config())(pool, known, labels[:18], np.full(3, 1 / 3))
    right = found.labels == labels[18:]
    assert 0.3 < found.accepted.mean() < 1
    assert right[found.accepted].mean() > right.mean()
    assert (found.confidence[found.accepted] >= 0.8).all()


def test_precision_of_rounds_is_that_of_records_judged_without_their_fold():
    labels, views = blobs(0.3)
    known, pool = taken(views, slice(18)), taken(views, slice(18, None))
    targets = np.eye(3)[labels[:18]]
    folds = np.arange(18) // 3 % 3
    config = voting.Config(rounds=2, seeds=1)
    found = voting.precisions(config, pool, known, targets, folds, "softmax")
    assert found.shape == (2,)
    assert found.min() > 0.9
    wrong = np.roll(targets, 1, axis=0)[:, [1, 2, 0]]
    mixed = np.where((np.arange(18) % 2 == 0)[:, None], targets, wrong)
    assert voting.precisions(config, pool, known, mixed, folds, "softmax")[0] < 0.9
