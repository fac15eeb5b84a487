from dataclasses import replace

import numpy as np
import pytest
from scipy.special import gammainc

from components.training.labelled import Labelled
from components.training.shares import believed, class_shift, mean_answers, shares

TRUE = np.array([0.7, 0.2, 0.1])
EVEN = np.full(3, 1 / 3)


def answers(codes, distance, seed):
    """Exact logits, for even shares, of one number for each class with a unit Gaussian around."""
    x = np.random.default_rng(seed).normal(size=(len(codes), 3)) + distance * np.eye(3)[codes]
    return distance * x


def fits(logits, seed=7):
    """One fit without each of three folds, which differ a little, and one with all."""
    noise = np.random.default_rng(seed).normal(size=(3, *logits.shape))
    return np.stack([*(logits + 0.05 * noise), logits])


def even(count=90, activation="softmax"):
    codes = np.arange(count) % 3
    return Labelled(
        rows=np.arange(count),
        targets=np.eye(3)[codes],
        folds=np.arange(count) // 3 % 3,
        activation=activation,
    )


@pytest.fixture
def drawn():
    return np.random.default_rng(0).choice(3, size=3000, p=TRUE)


def test_the_shares_are_those_of_the_mixture():
    each = np.array([[0.7, 0.2, 0.1], [0.3, 0.5, 0.2], [0.2, 0.2, 0.6]])
    found = shares(np.stack([TRUE, EVEN]) @ each, each, EVEN)
    assert found == pytest.approx(np.stack([TRUE, EVEN]), abs=0.03)


def test_no_mixture_has_a_negative_share():
    each = np.array([[0.7, 0.2, 0.1], [0.3, 0.5, 0.2], [0.2, 0.2, 0.6]])
    beyond = np.array([[0.9, 0.05, 0.05]])
    assert shares(beyond, each, EVEN)[0] == pytest.approx([1, 0, 0], abs=0.01)


def test_mean_answers_are_drawn_around_the_mean_of_records_and_a_usual_one():
    answers, targets = np.array([[0.8, 0.2], [0.6, 0.4], [0.1, 0.9]]), np.eye(2)[[0, 0, 1]]
    drawn = np.mean(mean_answers(answers, targets, 4000), axis=0)
    # Right in (0.8 + 0.6 + 0.9) / 3, by chance in half of it: 8/15 better than any answer.
    usual = 8 / 15 * np.eye(2) + 7 / 15 * 0.5
    expected = [(answers[:2].sum(axis=0) + usual[0]) / 3, (answers[2] + usual[1]) / 2]
    assert drawn == pytest.approx(np.array(expected), abs=0.01)


@pytest.mark.parametrize(("change", "noise", "freedom"), [(1, 1, 5), (0.3, 1, 9), (9, 1, 47)])
def test_what_is_believed_has_a_closed_form(change, noise, freedom):
    a, z = freedom / 2 + 1, freedom * change / noise / 2
    expected = 1 - a / z * gammainc(a + 1, z) / gammainc(a, z)
    assert believed(change, noise, freedom) == pytest.approx(expected, abs=1e-4)


def test_a_change_far_beyond_its_noise_is_believed():
    assert believed(100, 1, 5) > 0.98
    assert believed(1, 0, 5) > 0.99
    assert believed(0.01, 1, 47) < 0.05


def test_the_shift_is_the_log_ratio_of_shares_and_corrects_answers(drawn):
    logits, held = answers(drawn, 1.5, 1), answers(np.arange(900) % 3, 1.5, 2)
    shift = class_shift(fits(logits), held, even(900))
    correct = [((logits + by).argmax(axis=1) == drawn).mean() for by in (0, shift)]
    assert correct[1] > correct[0] + 0.02
    among_all = (3000 * TRUE + 300) / 3900
    assert shift - shift[0] == pytest.approx(np.log(among_all / among_all[0]), abs=0.25)


def test_answers_that_do_not_find_known_shares_shift_nothing():
    # They are sure of one class, whatever the record is.
    logits, held = (np.tile([5.0, 0, 0], (n, 1)) for n in (3000, 90))
    assert class_shift(fits(logits), held, even()) == pytest.approx(np.zeros(3), abs=1e-9)


def test_nothing_unlabelled_and_several_classes_at_once_shift_nothing(drawn):
    held = answers(np.arange(90) % 3, 1.5, 2)
    assert not class_shift(np.zeros((4, 0, 3)), held, even()).any()
    logits = fits(answers(drawn, 1.5, 1))
    assert not class_shift(logits, held, even(activation="sigmoid")).any()


def test_fits_that_disagree_on_the_shares_shift_far_less(drawn):
    logits, held = answers(drawn, 1.5, 1), answers(np.arange(90) % 3, 1.5, 2)
    apart = np.stack([logits + 4 * np.eye(3)[k] for k in range(3)] + [logits])
    agreed = np.abs(class_shift(fits(logits), held, even())).max()
    assert np.abs(class_shift(apart, held, even())).max() < agreed / 3


def test_a_class_without_a_label_is_shifted_by_nothing_and_changes_no_other_shift(drawn):
    logits, held = answers(drawn, 1.5, 1), answers(np.arange(90) % 3, 1.5, 2)
    known = even()
    shift = class_shift(fits(logits), held, known)

    def wider(x):  # a fourth class, which light heads put far below the others, but not at nothing
        return np.concatenate([x, np.full((*x.shape[:-1], 1), -12.0)], axis=-1)

    unseen = replace(known, targets=np.pad(known.targets, ((0, 0), (0, 1))))
    again = class_shift(wider(fits(logits)), wider(held), unseen)
    assert shift.any()
    assert again == pytest.approx([*shift, 0.0])
