"""Missing-rate sweeps against what can be computed by hand."""

import numpy as np
import pytest

from components.evaluation.missing import Curve, by_frequency, chances, left, standing, sweep

N = 4000


def test_each_pattern_hides_at_its_rate_and_keeps_one_modality():
    rng = np.random.default_rng(0)
    present = rng.random((N, 3)) > 0.2
    present[:, 0] = True
    draws = rng.random(present.shape)
    stands = standing(rng.normal(size=N))
    for rate in (0.3, 0.8):
        for chance in (rate, chances(rate, stands)):
            seen = left(present, chance, draws)
            assert not (seen & ~present).any()
            assert seen.any(axis=1).all()
    seen = left(present, 0.3, draws)
    full = present.all(axis=1)
    # Where all three would go, one is kept, which takes .3 ** 3 / 3 off the rate.
    assert (~seen[full]).mean() == pytest.approx(0.3 - 0.3**3 / 3, abs=0.015)


def test_a_higher_rate_hides_what_a_lower_one_hides():
    rng = np.random.default_rng(1)
    present, draws = np.ones((N, 2), bool), rng.random((N, 2))
    less, more = left(present, 0.4, draws), left(present, 0.7, draws)
    assert not (more & ~less).any()


def test_not_at_random_the_chance_rises_with_the_standing_at_the_same_mean():
    stands = standing(np.arange(1000))
    for rate in (0.1, 0.5, 0.9):
        found = chances(rate, stands)
        assert found.mean() == pytest.approx(rate)
        assert found.min() >= 0
        assert found.max() <= 1
        assert (np.diff(found) > 0).all()
        assert chances(rate, 1 - stands) == pytest.approx(found[::-1])


def test_common_values_stand_high_even_where_two_are_equally_common():
    values = np.array(["a"] * 5 + ["b"] * 2 + ["c"] * 2)
    stands = by_frequency(values)
    assert stands[0] > stands[-1] > stands[5]
    assert stands.mean() == pytest.approx(0.5)


def test_a_model_that_reads_one_modality_falls_as_that_one_goes_missing():
    """Right where it sees the first of two modalities: 1 - rate + rate^2 / 2 of the records."""
    present = np.ones((N, 2), bool)
    curve = sweep(lambda seen: seen[:, 0], np.mean, present, rates=(0.0, 0.5, 0.9), draws=3)
    wanted = [1 - r + r * r / 2 for r in (0.0, 0.5, 0.9)]
    assert curve.values == pytest.approx(wanted, abs=0.02)
    assert curve.fall == pytest.approx(curve.values[0] - curve.values[2])
    assert curve.area == pytest.approx(
        (0.5 * (wanted[0] + wanted[1]) / 2 + 0.4 * (wanted[1] + wanted[2]) / 2) / 0.9, abs=0.02
    )
    ignored = sweep(lambda seen: np.ones(len(seen)), np.mean, present)
    assert ignored.fall == 0


def test_reversing_the_pattern_costs_a_model_that_took_absence_for_a_sign():
    """The first half of the records lacks its second modality: a model learned that it means so."""
    truth = np.arange(N) < N // 2
    stands = 1 - standing(np.arange(N))
    as_learned, reversed_ = (
        sweep(lambda seen: ~seen[:, 1], lambda said: np.mean(said == truth), ones, s, rates=(0.5,))
        for ones, s in [(np.ones((N, 2), bool), stands), (np.ones((N, 2), bool), 1 - stands)]
    )
    assert as_learned.values[0] > 0.6
    assert reversed_.values[0] < 0.4


def test_the_area_is_the_mean_over_the_range_of_rates():
    assert Curve(rates=(0.0, 0.9), values=(1.0, 0.5)).area == 0.75
