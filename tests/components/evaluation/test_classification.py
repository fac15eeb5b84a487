"""Classification figures against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, f1_score

from components.evaluation.classification import confusion, wilson
from components.parts.classification import accuracy, macro_f1

pairs = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=60).map(
    np.array
)


@given(pairs)
@settings(max_examples=60, deadline=None)
def test_figures_are_those_of_scikit_learn(rows):
    labels, predicted = rows[:, 0], rows[:, 1]
    oracle = f1_score(labels, predicted, labels=np.unique(labels), average="macro", zero_division=0)
    assert macro_f1(labels, predicted) == pytest.approx(oracle)
    assert (
        confusion(labels, predicted, 6).tolist()
        == confusion_matrix(labels, predicted, labels=range(6)).tolist()
    )


def test_names_serve_as_well_as_numbers():
    labels, predicted = np.array([0, 1, 1, 2]), np.array([0, 1, 2, 2])
    names = np.array(["a", "b", "c"])
    assert macro_f1(names[labels], names[predicted]) == macro_f1(labels, predicted)
    assert accuracy(names[labels], names[predicted]) == 0.75


def test_no_rows_have_no_figure():
    none = np.zeros(0, dtype=int)
    assert np.isnan(accuracy(none, none))
    assert np.isnan(macro_f1(none, none))


@pytest.mark.parametrize(("right", "n"), [(0, 5), (7, 9), (500, 1000), (20, 20)])
def test_the_interval_of_a_share_is_scipys_wilson(right, n):
    oracle = binomtest(right, n).proportion_ci(method="wilson")
    assert wilson(right, n) == pytest.approx((oracle.low, oracle.high), abs=1e-6)


def test_an_interval_of_nothing_is_everything():
    assert wilson(0, 0) == (0.0, 1.0)
