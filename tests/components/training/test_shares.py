from dataclasses import replace

import numpy as np
import pytest

from components.training.committee import Labelled
from components.training.shares import class_shift, shares

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


def probabilities(logits):
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


@pytest.fixture
def drawn():
    return np.random.default_rng(0).choice(3, size=3000, p=TRUE)


def test_shares_are_found_from_answers_that_expect_even_ones(drawn):
    found = shares(probabilities(answers(drawn, 1.5, 1)), EVEN)
    # The prior draws them towards even ones by a tenth.
    assert found == pytest.approx((TRUE + 0.1 * EVEN) / 1.1, abs=0.03)


def test_the_shift_is_the_log_ratio_of_shares_and_corrects_answers(drawn):
    logits, held = answers(drawn, 1.5, 1), answers(np.arange(90) % 3, 1.5, 2)
    shift = class_shift(fits(logits), held, even())
    correct = [((logits + by).argmax(axis=1) == drawn).mean() for by in (0, shift)]
    assert correct[1] > correct[0] + 0.02
    drawn_in = (3000 * (TRUE + 0.1 * EVEN) / 1.1 + 30) / 3090
    assert shift - shift[0] == pytest.approx(np.log(drawn_in / drawn_in[0]), abs=0.3)


def test_answers_that_do_not_find_known_shares_shift_nothing():
    # They are sure of one class, whatever the record is.
    logits, held = (np.tile([5.0, 0, 0], (n, 1)) for n in (3000, 90))
    assert not class_shift(fits(logits), held, even()).any()


def test_nothing_unlabelled_and_several_classes_at_once_shift_nothing(drawn):
    held = answers(np.arange(90) % 3, 1.5, 2)
    assert not class_shift(np.zeros((4, 0, 3)), held, even()).any()
    logits = fits(answers(drawn, 1.5, 1))
    assert not class_shift(logits, held, even(activation="sigmoid")).any()


def test_fits_that_disagree_on_the_shares_shift_nothing(drawn):
    logits, held = answers(drawn, 1.5, 1), answers(np.arange(90) % 3, 1.5, 2)
    apart = np.stack([logits + 4 * np.eye(3)[k] for k in range(3)] + [logits])
    assert not class_shift(apart, held, even()).any()


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
