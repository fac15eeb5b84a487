"""The committee where a record has any number of classes, most of them rare."""

import numpy as np
import pytest

from components.parts.heads import gda, logistic, prototype
from components.parts.linear import prior
from components.training.committee import Committee
from components.training.labelled import Labelled, folds_of
from components.training.members import crossfit
from components.training.stacking import calibrated, stacked, temper
from components.training.views import Views

HEADS = {
    "logistic": logistic.build(logistic.Config()),
    "gda": gda.build(gda.Config()),
    "prototype": prototype.build(prototype.Config()),
}
SHARES = np.array([0.05, 0.1, 0.5])
COUNT, KNOWN = 3000, 400


def problem(seed: int = 0) -> tuple[Views, np.ndarray]:
    """A view that tells the classes, in half of the records, and one of noise in all."""
    rng = np.random.default_rng(seed)
    sets = rng.random((COUNT, len(SHARES))) < SHARES
    told = sets @ rng.normal(size=(len(SHARES), 8)) + 0.3 * rng.normal(size=(COUNT, 8))
    present = {"noise": np.ones(COUNT, bool), "told": rng.random(COUNT) < 0.5}
    features = {
        "noise": rng.normal(size=(COUNT, 8)).astype(np.float32) / 3,
        "told": (told * present["told"][:, None] / 3).astype(np.float32),
    }
    return Views(features=features, present=present), sets


def labelled_of(sets: np.ndarray, rows: np.ndarray) -> Labelled:
    folds = folds_of(np.zeros(len(rows), np.int64), 3, 0)
    return Labelled(rows=rows, targets=sets[rows].astype(float), folds=folds, activation="sigmoid")


def probabilities(found: Committee, views: Views) -> np.ndarray:
    return 1 / (1 + np.exp(-found.logits(views).astype(float)))


@pytest.mark.parametrize("heads", [*([name] for name in HEADS), list(HEADS)])
def test_a_record_of_which_nothing_is_told_has_a_class_as_often_as_records_do(heads):
    """Not one time in two, as where a member that cannot read it gave logits of zero."""
    views, sets = problem()
    labelled = labelled_of(sets, np.arange(KNOWN))
    found = crossfit(views, labelled, {name: HEADS[name] for name in heads})
    blind = ~views.present["told"]
    p = probabilities(found, views)[blind]
    assert p.mean(axis=0) == pytest.approx(sets[:KNOWN].mean(axis=0), abs=0.03)
    assert (p.std(axis=0) < 0.05).all()


@pytest.mark.parametrize("which", ["told", "blind"])
def test_answers_are_as_sure_as_they_are_right_whatever_a_record_has(which):
    views, sets = problem()
    found = crossfit(views, labelled_of(sets, np.arange(KNOWN)), HEADS)
    p = probabilities(found, views)[KNOWN:]
    at = views.present["told"][KNOWN:] == (which == "told")
    assert p[at].mean(axis=0) == pytest.approx(sets[KNOWN:][at].mean(axis=0), abs=0.04)


def test_the_prior_is_what_makes_labels_likeliest_beside_half_a_yes_and_half_a_no():
    """Oracle: a grid; and nothing where classes are compared, as few of each are labelled."""
    targets = np.eye(4)[[0, 0, 0, 1, 1, 2]]
    weights = np.array([[1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 1, 0]], float).T
    found = prior(targets, weights, "sigmoid")
    grid = np.linspace(-6, 6, 4801)
    log_p, log_q = -np.logaddexp(0, -grid), -np.logaddexp(0, grid)
    for fit, each in enumerate(weights.T):
        for c in range(4):
            yes, no = each @ targets[:, c] + 0.5, each @ (1 - targets[:, c]) + 0.5
            assert found[fit, c] == pytest.approx(
                grid[np.argmax(yes * log_p + no * log_q)], abs=3e-3
            )
    assert not prior(targets, weights, "softmax").any()


def test_a_class_that_is_there_many_times_weighs_members_no_otherwise():
    """A set of 20 equal classes is no more evidence than one of them."""
    rng = np.random.default_rng(1)
    sets = rng.random((40, 1)) < 0.3
    answers = np.stack([2.0 * sets - 1 + rng.normal(size=(40, 1)) for _ in range(3)])
    one, many = (labelled_of(np.repeat(sets, n, axis=1), np.arange(40)) for n in (1, 20))
    same = np.repeat(answers, 20, axis=2)
    assert stacked(same, many) == pytest.approx(stacked(answers, one), abs=1e-3)
    assert temper(same[0], many) == pytest.approx(temper(answers[0], one), rel=1e-3)


def test_answers_get_the_slope_and_the_addend_of_a_search_over_a_grid():
    rng = np.random.default_rng(2)
    sets = rng.random((400, 3)) < SHARES
    labelled = labelled_of(sets, np.arange(400))
    logits = 3.0 * (sets + rng.normal(size=sets.shape)) - 4.0
    found = calibrated(logits, labelled, np.arange(400))
    grid = [(s, a) for s in np.linspace(0.05, 1, 96) for a in np.linspace(-1, 3, 81)]
    pull = 3 / (2 * 400)
    losses = [
        labelled.loss(labelled.prior_of() + s * logits + a) + pull * (np.log(s) ** 2 + a**2)
        for s, a in grid
    ]
    assert found == pytest.approx(grid[np.argmin(losses)], abs=0.06)
