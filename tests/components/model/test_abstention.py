"""The least confidence at which an answer is worth giving."""

import numpy as np
import pytest

from components.model.abstention import least_confidence


def test_calibrated_confidences_give_the_half_of_chows_rule():
    draw = np.random.default_rng(0)
    confidences = draw.uniform(0.1, 1.0, 50_000)
    right = draw.uniform(size=50_000) < confidences
    assert least_confidence(confidences, right) == pytest.approx(0.5, abs=0.03)


def test_it_is_what_trying_every_level_finds():
    draw = np.random.default_rng(1)
    for _ in range(30):
        confidences, right = draw.integers(1, 9, 25) / 10, draw.uniform(size=25) < 0.5
        found = least_confidence(confidences, right)
        worth = {t: np.sum(np.where(right, 1, -1)[confidences >= t]) for t in np.arange(1, 9) / 10}
        got = np.sum(np.where(right, 1, -1)[confidences >= found])
        assert got == max(worth.values()) or (got == 0 and max(worth.values()) < 0)


def test_where_answers_are_right_or_nothing_is_known_none_is_withheld():
    assert least_confidence(np.array([0.3, 0.8]), np.array([True, True])) == 0
    assert least_confidence(np.zeros(0), np.zeros(0, np.bool_)) == 0
