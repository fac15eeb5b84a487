"""Accuracy by share of answered records, checked by answering one record less at a time."""

import numpy as np
import pytest

from components.evaluation.charts import coverage_curve
from components.evaluation.coverage import by_coverage, figures
from components.evaluation.metrics import CoverageFigures


def answers(n: int = 200, levels: int = 40):
    """Answers whose confidence, with ties, says how often they are right."""
    rng = np.random.default_rng(0)
    confidences = rng.integers(1, levels, n) / levels
    return confidences, rng.random(n) < confidences


def test_every_threshold_gives_what_counting_gives():
    confidences, right = answers()
    found = by_coverage(confidences, right)
    for threshold in np.linspace(0, 0.95, 50):
        kept = confidences >= threshold
        share, accuracy = found.at(threshold)
        assert share == pytest.approx(kept.mean())
        assert accuracy == pytest.approx(right[kept].mean())


def test_equal_confidences_are_answered_together_in_any_order():
    confidences, right = answers()
    order = np.random.default_rng(1).permutation(len(right))
    one, other = by_coverage(confidences, right), by_coverage(confidences[order], right[order])
    assert np.array_equal(one.answered, other.answered)
    assert np.array_equal(one.right, other.right)
    assert len(one.answered) == len(set(confidences))


def test_a_share_is_reached_with_as_few_records_as_ties_allow():
    confidences, right = np.arange(10)[::-1] / 10, np.arange(10) < 6
    found = by_coverage(confidences, right)
    told = figures(found, threshold=0.35)
    assert told["accuracy_at_50"] == 1
    assert told["accuracy_at_80"] == pytest.approx(6 / 8)
    assert told["accuracy_at_90"] == pytest.approx(6 / 9)
    assert told["answered"] == pytest.approx(0.6)
    assert told["accuracy_answered"] == 1


def test_nothing_is_answered_above_every_confidence():
    assert by_coverage(*answers()).at(1.5) == (0.0, None)


@pytest.mark.parametrize(("threshold", "dots"), [(0.5, 1), (0.0, 1), (1.5, 0)])
def test_the_curve_marks_the_threshold_where_something_is_answered(threshold, dots):
    found = by_coverage(*answers())
    marked = CoverageFigures.model_validate(figures(found, threshold))
    drawn = coverage_curve(found, marked)
    assert drawn.count('class="mark"') == dots
    assert drawn.count('class="curve"') == 1


def test_very_few_answers_can_be_drawn():
    found = by_coverage(np.array([0.7]), np.array([True]))
    marked = CoverageFigures.model_validate(figures(found, 0.0))
    assert 'class="curve"' in coverage_curve(found, marked)
