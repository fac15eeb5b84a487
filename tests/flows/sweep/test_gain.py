"""Gains on the same records: closed forms, and a choice that its own records do not judge."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import ttest_1samp

from components.training.held_out import HeldOut
from flows.sweep.gain import chance, gain, gain_of_choosing


def told(losses, ids=None, groups=None):
    ids = [str(i) for i in range(len(losses))] if ids is None else ids
    return HeldOut(ids=ids, groups=groups or ids, losses=np.array(losses, float), figures={})


def test_a_gain_is_the_mean_difference_and_its_standard_error():
    rng = np.random.default_rng(0)
    before, after = rng.random(50), rng.random(50)
    found = gain(told(before), told(after))
    assert_allclose(found.mean, before.mean() - after.mean())
    assert_allclose(found.error, np.std(before - after) / np.sqrt(50))  # its own formula, by numpy


def test_records_are_paired_by_id_and_only_shared_ones_count():
    found = gain(told([1, 2, 3]), told([0, 5], ids=["2", "0"]))
    assert (found.mean, found.records) == (pytest.approx(((3 - 0) + (1 - 5)) / 2), 2)
    assert found.loss == (0 + 5) / 2


def test_copies_in_a_group_make_no_gain_surer():
    rng = np.random.default_rng(1)
    before, after = rng.random(20), rng.random(20)
    once = gain(told(before), told(after))
    ids = [str(i) for i in range(60)]
    groups = [str(i % 20) for i in range(60)]
    thrice = gain(told(np.tile(before, 3), ids, groups), told(np.tile(after, 3), ids, groups))
    assert_allclose(thrice.error, once.error)


def noise(seed, trials, better=0.0):
    """Trials whose gains are noise of deviation 1 on 100 records; the first one is better."""
    rng = np.random.default_rng(seed)
    before = told(rng.normal(size=100))
    gains = [rng.normal(better if i == 0 else 0.0, size=100) for i in range(trials)]
    return before, [told(before.losses - each) for each in gains]


def best_of(before, trials):
    return int(np.argmax([gain(before, trial).mean for trial in trials]))


def test_of_one_trial_chance_is_that_of_a_t_test():
    before, trials = noise(3, 1, better=0.15)
    expected = ttest_1samp(before.losses - trials[0].losses, 0, alternative="greater").pvalue
    assert chance(before, trials, 0) == pytest.approx(expected, abs=0.03)


def test_the_best_of_many_equal_trials_seldom_counts_as_a_gain():
    """By its own records the best of sixty is beyond 1.96 standard errors most of the time."""
    fooled, called = 0, 0
    for seed in range(30):
        before, trials = noise(seed, 60)
        best = best_of(before, trials)
        found = gain(before, trials[best])
        fooled += found.mean > 1.96 * found.error
        called += chance(before, trials, best) < 0.05
    assert fooled > 15
    assert called <= 5  # binomial: more than 5 of 30 at 5% happen in less than 1% of cases


def test_a_large_gain_among_many_trials_is_found():
    before, trials = noise(0, 60, better=0.6)
    assert best_of(before, trials) == 0
    assert chance(before, trials, 0) < 0.05


def test_a_gain_that_is_the_same_everywhere_is_no_chance():
    before = told(np.linspace(1, 2, 60))
    trials = [told(before.losses + 0.1), told(before.losses - 0.3)]
    assert chance(before, trials, 1) == pytest.approx(0, abs=1e-3)
    assert chance(before, [before], 0) == 1


def test_choosing_by_other_records_gains_nothing_from_noise_and_all_of_a_real_gain():
    gains = [gain_of_choosing(*noise(seed, 60)) for seed in range(40)]
    assert abs(np.mean(gains)) < 3 * np.std(gains) / np.sqrt(40)  # unbiased: fresh noise
    before = told(np.linspace(1, 2, 60))
    trials = [told(before.losses + 0.1), told(before.losses - 0.3)]
    assert gain_of_choosing(before, trials) == pytest.approx(0.3)
    assert gain_of_choosing(before, trials[:1]) == gain_of_choosing(before, []) == 0
