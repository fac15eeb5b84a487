"""The committee: what each fit may see, and that the sum is that of its members."""

from dataclasses import replace

import numpy as np
import pytest

from components.parts.heads import gda, logistic, prototype
from components.parts.linear import Linear
from components.training.committee import Maps, seats_of
from components.training.labelled import Labelled, folds_of
from components.training.members import crossfit
from components.training.stacking import stacked, temper, weighed
from components.training.views import Views

HEADS = {"logistic": logistic.build(logistic.Config()), "gda": gda.build(gda.Config())}
HEADS["prototype"] = prototype.build(prototype.Config())
CLASSES = 3


def problem(seed=0, count=90):
    """Two views of which one tells little, the other absent in a third of the records."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(CLASSES, size=count)
    good = rng.normal(size=(CLASSES, 4))[labels] + 0.5 * rng.normal(size=(count, 4))
    noise = rng.normal(size=(count, 200))
    present = {"good": rng.random(count) > 0.3, "noise": np.ones(count, bool)}
    features = {
        name: (x / np.sqrt(x.shape[1]) * present[name][:, None]).astype(np.float32)
        for name, x in (("good", good), ("noise", noise))
    }
    return Views(features=features, present=present), labels


def labelled_of(labels, rows, folds=None):
    return Labelled(
        rows=rows,
        targets=np.eye(CLASSES)[labels[rows]],
        folds=folds_of(labels[rows], 3, 0) if folds is None else folds,
        activation="softmax",
    )


def test_folds_spread_each_class_evenly():
    labels = np.repeat([0, 1, 2], [20, 7, 1])
    folds = folds_of(labels, 5, 0)
    for code in range(3):
        counts = np.bincount(folds[labels == code], minlength=5)
        assert counts.max() - counts.min() <= 1


def test_held_out_answers_come_from_the_fit_without_the_record():
    labelled = Labelled(
        rows=np.arange(3), targets=np.eye(3), folds=np.array([1, 0, 1]), activation="softmax"
    )
    answers = np.arange(3 * 3 * 3).reshape(3, 3, 3)
    held = labelled.held_out(answers)
    assert held.tolist() == [answers[1, 0].tolist(), answers[0, 1].tolist(), answers[1, 2].tolist()]


def test_a_record_whose_class_is_in_no_other_fold_tells_nothing():
    labels, folds = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 0, 0, 1])
    labelled = labelled_of(labels, np.arange(5), folds)
    assert labelled.judging.tolist() == [True, True, False, False, False]
    logits = np.random.default_rng(0).normal(size=(5, CLASSES))
    alone = labelled_of(labels, np.arange(2), folds[:2])
    assert labelled.loss(logits) == pytest.approx(alone.loss(logits[:2]))


def test_a_head_without_a_fold_does_not_change_with_the_labels_of_that_fold():
    views, labels = problem()
    rows = np.arange(60)
    folds = folds_of(labels[rows], 3, 0)
    garbage = labels.copy()
    garbage[rows[folds == 1]] = (garbage[rows[folds == 1]] + 1) % CLASSES
    x = views.features["noise"][rows]
    for head in HEADS.values():
        for one, other in zip(
            *(
                head.path(
                    x, (data := labelled_of(y, rows, folds)).targets, data.weights(), "softmax"
                )
                for y in (labels, garbage)
            ),
            strict=True,
        ):
            shown = np.abs(one.logits(x, 1) - other.logits(x, 1)).max()
            assert shown < 0.05 * np.abs(one.logits(x, 0) - other.logits(x, 0)).max()


def test_records_without_a_label_do_not_matter():
    views, labels = problem()
    rows = np.arange(60)
    found = crossfit(views, labelled_of(labels, rows), HEADS)
    labels[60:] = 0
    again = crossfit(views, labelled_of(labels, rows), HEADS)
    assert np.array_equal(found.logits(views), again.logits(views))


def test_it_answers_better_than_its_worst_view_and_weighs_noise_little():
    views, labels = problem(count=300)
    found = crossfit(views, labelled_of(labels, np.arange(150)), HEADS)
    right = found.logits(views).argmax(axis=1) == labels
    has = views.present["good"]
    assert right[150:][has[150:]].mean() > 0.8
    of = found.widest.maps.of
    said = {view: linear.logits(views.features[view], -1) for view, linear in of.items()}
    assert said["noise"].std() < 0.3 * said["good"][has].std()


@pytest.mark.parametrize("rounding", [0.0, 6e-8, 1e-6])
@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_a_view_that_is_alike_for_all_records_does_not_drown_the_others(activation, rounding):
    views, labels = problem(count=300)
    noise = rounding * np.random.default_rng(1).normal(size=(300, 1))
    alike = {"alike": (0.9999 + noise).astype(np.float32)}
    more = Views(
        features=views.features | alike, present=views.present | {"alike": np.ones(300, bool)}
    )
    labelled = replace(labelled_of(labels, np.arange(150)), activation=activation)
    others = np.arange(150, 300)[views.present["good"][150:]]
    answers = crossfit(more, labelled, HEADS).logits(more)[others].argmax(axis=1)
    assert np.mean(answers == labels[others]) > 0.8


def test_a_sum_of_maps_is_the_sum_of_what_its_members_say():
    views, _ = problem()
    rng = np.random.default_rng(3)

    def random_map(dim):
        return Linear(
            weight=rng.normal(size=(2, dim, CLASSES)).astype(np.float32),
            bias=rng.normal(size=(2, CLASSES)).astype(np.float32),
        )

    one, both = random_map(4), random_map(204)
    found = Maps.weighted(
        [
            Maps.side_by_side(one, {"good": 4}),
            Maps.side_by_side(both, {"good": 4, "noise": 200}),
        ],
        np.array([[0.5, 0.5], [2.0, 2.0]]),
    )
    side = np.hstack(list(views.features.values()))
    for fit in range(2):
        wanted = 0.5 * one.logits(views.features["good"], fit) * views.present["good"][:, None]
        wanted = wanted + 2.0 * both.logits(side, fit)
        assert np.allclose(found.logits(views, fit), wanted, atol=1e-4)


@pytest.mark.parametrize("lacking", ["good", "noise"])
def test_records_without_a_modality_are_answered_by_a_committee_of_the_others(lacking):
    views, labels = problem(count=300)
    labelled = labelled_of(labels, np.flatnonzero(views.present["good"])[:100])
    found = crossfit(views, labelled, HEADS)
    (left,) = views.features.keys() - {lacking}
    alone = Views(features={left: views.features[left]}, present={left: views.present[left]})
    wanted = crossfit(alone, labelled, HEADS)
    has = np.flatnonzero(views.present[left])
    shown = found.logits(views.of([left]), rows=has)
    assert np.allclose(shown, wanted.logits(alone, rows=has), atol=1e-5)


def test_a_record_takes_the_seat_of_just_the_modalities_that_it_has():
    rng = np.random.default_rng(0)
    present = {f"{name}/x": rng.random(200) > 0.4 for name in "abcd"}
    labels = rng.integers(CLASSES, size=200)
    features = {
        view: (np.eye(CLASSES)[labels] + rng.normal(size=(200, CLASSES))).astype(np.float32)
        for view in present
    }
    views = Views(features=features, present=present)
    rows = np.flatnonzero(views.anything)
    found = crossfit(views, labelled_of(labels, rows[:120]), HEADS)
    assert list(found.seats) == list(seats_of("abcd"))
    logits = found.logits(views, rows=rows)
    for at, key in enumerate(views.keys(rows)):
        seat = found.seats.get(key, found.seats["*"])
        own = rows[at : at + 1]
        assert np.allclose(logits[at], seat.maps.logits(views, -1, own)[0], atol=1e-5)


def test_weights_of_a_fit_do_not_change_with_the_labels_of_its_fold():
    rng = np.random.default_rng(1)
    labels, folds = np.arange(90) % CLASSES, np.arange(90) // CLASSES % 3
    answers = np.stack([np.eye(CLASSES)[labels] * k + rng.normal(size=(90, 3)) for k in (1, 3)])
    garbage = np.where(folds == 1, (labels + 1) % CLASSES, labels)
    one, other = (
        weighed(answers, labelled_of(y, np.arange(90), folds), np.arange(90))
        for y in (labels, garbage)
    )
    assert np.array_equal(one[:, 1], other[:, 1])
    assert not np.allclose(one[:, 0], other[:, 0])
    assert not np.allclose(one[:, -1], other[:, -1])


@pytest.mark.parametrize("name", ["gda", "prototype"])
def test_a_head_says_nothing_of_a_class_that_it_never_saw(name):
    """Another view may tell that class, so that it must not be ruled out."""
    labels = np.arange(60) % 2
    x = (np.eye(4)[labels] + np.random.default_rng(2).normal(size=(60, 4))).astype(np.float32)
    data = labelled_of(labels, np.arange(60))
    for linear in HEADS[name].path(x, data.targets, data.weights(), "softmax"):
        for fit in range(data.fits):
            seen = linear.bias[fit, :2].mean()
            assert np.allclose(linear.logits(x, fit)[:, 2], seen, atol=1e-5)


def test_a_round_is_better_only_beyond_chance():
    labels = np.arange(60) % CLASSES
    labelled = labelled_of(labels, np.arange(60))
    before = np.eye(CLASSES)[labels] * 1.0
    rng = np.random.default_rng(3)
    noisy = before + 0.3 * (rng.random((60, 1)) - 0.5) * np.eye(CLASSES)[labels]
    assert labelled.better(before * 1.5, before)
    assert not labelled.better(before, before)
    each = [
        np.log(np.exp(x).sum(axis=1)) - x[np.arange(60), labels] for x in (before, noisy, -noisy)
    ]
    for logits, loss in ((noisy, each[1]), (-noisy, each[2])):
        beyond = (each[0] - loss).mean() > np.std(each[0] - loss, ddof=1) / np.sqrt(60)
        assert labelled.better(logits, before) == beyond


def test_a_temperature_is_that_of_a_search_over_a_grid():
    rng = np.random.default_rng(5)
    labels = rng.integers(CLASSES, size=2000)
    logits = 3.0 * (np.eye(CLASSES)[labels] + rng.normal(size=(2000, CLASSES)))
    labelled = labelled_of(labels, np.arange(2000))
    grid = np.exp(np.linspace(-3, 3, 1201))
    best = grid[np.argmin([labelled.loss(logits * scale) for scale in grid])]
    assert temper(logits, labelled) == pytest.approx(best, rel=0.02)


@pytest.mark.parametrize("strength", [0.01, 1000.0])
def test_where_no_record_can_judge_logits_get_the_usual_spread(strength):
    """With one label for each class, held-out records say nothing of a scale."""
    logits = strength * np.random.default_rng(0).normal(size=(CLASSES, CLASSES))
    alone = labelled_of(np.arange(CLASSES), np.arange(CLASSES))
    scaled = temper(logits, alone) * logits
    assert scaled.std(axis=1).mean() == pytest.approx(3.0)
    assert temper(logits[:0], alone, np.arange(0)) == 1.0


def test_few_records_that_are_all_right_do_not_let_any_spread_pass():
    """A thin covariance gives logits of hundreds, and eight records cannot say that it is wrong."""
    targets = np.eye(2)[np.arange(8) % 2]
    few = Labelled(
        rows=np.arange(8), targets=targets, folds=np.arange(8) // 2, activation="softmax"
    )
    sure = (targets - 0.5) * 400
    assert (temper(sure, few) * sure).std(axis=1).mean() == pytest.approx(3.0, rel=0.2)
    assert (temper(sure / 400, few) * sure / 400).std(axis=1).mean() < 3.0


def test_no_weight_is_negative_and_a_useless_member_gets_nearly_none():
    rng = np.random.default_rng(6)
    labels = rng.integers(CLASSES, size=400)
    good = np.eye(CLASSES)[labels] * 2 + rng.normal(size=(400, CLASSES))
    weights = stacked(
        np.stack([good, -good, rng.normal(size=good.shape)]), labelled_of(labels, np.arange(400))
    )
    assert (weights >= 0).all()
    assert weights[0] > 0.5
    assert weights[1:].max() < 0.1


def test_with_very_many_classes_some_records_judge_for_all(monkeypatch):
    targets = np.eye(4)[np.arange(80) % 4]
    folds = np.arange(80) // 4 % 2

    def labelled():
        return Labelled(rows=np.arange(80), targets=targets, folds=folds, activation="softmax")

    assert labelled().judging.all()
    logits = np.random.default_rng(0).normal(size=(80, 4))
    monkeypatch.setattr("components.training.labelled._CELLS", 80)
    few = labelled().judging
    assert few.sum() == 20
    assert labelled().loss(logits) == pytest.approx(
        -float(np.mean(np.log((np.exp(logits) / np.exp(logits).sum(1, keepdims=True))[few]
                              [targets[few] == 1])))
    )  # fmt: skip


def test_a_head_that_is_too_much_work_is_left_out_and_named(monkeypatch):
    views, labels = problem()
    labelled = labelled_of(labels, np.arange(90))
    whole = crossfit(views, labelled, HEADS)
    assert not whole.left_out
    monkeypatch.setattr(logistic, "_CELLS", 1.0)
    found = crossfit(views, labelled, HEADS)
    assert found.left_out == tuple(("logistic", view) for view in ("good", "noise", "good+noise"))
    rest = {name: head for name, head in HEADS.items() if name != "logistic"}
    again = crossfit(views, labelled, rest)
    for key, seat in found.seats.items():
        assert seat.members == again.seats[key].members
