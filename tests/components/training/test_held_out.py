import numpy as np
import pytest

from components.parts.heads import logistic
from components.training.committee import Labelled, Views, crossfit, folds_of
from components.training.held_out import held_out_probabilities, subset_scales

HEADS = {"logistic": logistic.build(logistic.Config())}
MODALITY = {"a/one": "a", "a/two": "a", "b/one": "b"}


def problem(count=120, absent=0.3, seed=0):
    rng = np.random.default_rng(seed)
    codes = np.arange(count) % 3
    features, present = {}, {}
    for view, noise in (("a/one", 0.5), ("a/two", 0.7), ("b/one", 1.5)):
        has = rng.random(count) > (absent if view[0] == "b" else 0)
        x = np.eye(3)[codes] + noise * rng.normal(size=(count, 3))
        features[view] = (x * has[:, None] / 2).astype(np.float32)
        present[view] = has
    labelled = Labelled(
        rows=np.arange(count),
        targets=np.eye(3)[codes],
        folds=folds_of(codes, 4, 0),
        activation="softmax",
    )
    views = Views(features=features, present=present)
    return views, labelled, crossfit(views, labelled, HEADS)


def masked(views, names):
    present = {v: has & (MODALITY[v] in names) for v, has in views.present.items()}
    return Views(features=views.features, present=present)


def losses(views, labelled, committee, names, factors):
    logits = labelled.held_out(committee.every(masked(views, names), labelled.rows))
    at = np.flatnonzero(masked(views, names).anything)
    return [labelled.loss(logits[at] * factor, at) for factor in factors]


@pytest.mark.parametrize("subset", [("a",), ("b",), ("a", "b")])
def test_the_factor_of_a_subset_makes_its_held_out_labels_most_likely(subset):
    views, labelled, committee = problem()
    factor = subset_scales(views, labelled, committee, MODALITY, [subset])[subset]
    grid = np.exp(np.linspace(-1, 1, 41))
    best = min(losses(views, labelled, committee, subset, grid))
    assert losses(views, labelled, committee, subset, [factor])[0] == pytest.approx(best, abs=0.003)


def test_a_subset_that_nobody_has_is_scaled_like_all():
    views, labelled, committee = problem(absent=1.1)
    found = subset_scales(views, labelled, committee, MODALITY, [("b",), ("a", "b")])
    assert found[("b",)] == pytest.approx(found[("a", "b")], rel=0.02)


def test_a_shift_of_the_constant_is_not_judged():
    views, labelled, committee = problem()
    shift = np.array([3.0, 0.0, -3.0])
    moved = type(committee)(
        maps=committee.maps,
        constant=committee.constant + shift.astype(np.float32),
        members=committee.members,
    )
    before, after = (
        subset_scales(views, labelled, each, MODALITY, [("a",)], by)[("a",)]
        for each, by in ((committee, None), (moved, shift))
    )
    assert after == pytest.approx(before, rel=1e-3)


def test_a_label_does_not_reach_the_probabilities_of_its_own_record():
    views, labelled, _ = problem()
    found = []
    for code in (0, 1):
        targets = labelled.targets.copy()
        targets[0] = np.eye(3)[code]
        other = Labelled(
            rows=labelled.rows, targets=targets, folds=labelled.folds, activation="softmax"
        )
        found.append(held_out_probabilities(views, other, crossfit(views, other, HEADS))[0])
    # The choice of strength, weights and scale, of 120 records, is all that it can move.
    assert found[0] == pytest.approx(found[1], abs=0.1)
    assert found[0].sum() == pytest.approx(1)
