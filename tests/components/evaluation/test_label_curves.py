"""Curves over numbers of labels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.evaluation.label_curves import area, enough, saved

BUDGETS = (1, 2, 4, 8, 16, 32)


@given(st.floats(0.1, 3), st.floats(0.1, 0.9))
def test_a_straight_line_on_the_logarithmic_scale_has_the_area_of_its_middle(slope, start):
    curve = {k: start + slope * np.log2(k) for k in BUDGETS}
    assert area(curve) == pytest.approx(start + slope * 2.5)


@given(st.floats(1.1, 8))
def test_a_method_as_good_as_the_baseline_with_more_labels_saves_that_many(times):
    """On a curve without bends the method is the baseline moved by ``times``."""
    baseline = {k: np.log2(k) for k in BUDGETS}
    method = {k: np.log2(k * times) for k in BUDGETS}
    assert saved(method, baseline, 32) == pytest.approx(times)
    assert saved(baseline, baseline, 16) == pytest.approx(1)


def test_a_figure_that_is_never_reached_is_not_made_up():
    assert enough({1: 0.2, 2: 0.3}, 0.4) is None
    assert saved({1: 0.2, 2: 0.3}, {1: 0.5, 2: 0.6}, 2) is None
