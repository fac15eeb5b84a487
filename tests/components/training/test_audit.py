from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from components.features.target import build_target
from components.parts.labelling import PseudoLabels
from components.training.audit import audit, wilson


@given(st.integers(1, 300), st.data())
def test_the_interval_is_scipys(count, data):
    right = data.draw(st.integers(0, count))
    wanted = binomtest(right, count).proportion_ci(method="wilson")
    assert wilson(right, count) == pytest.approx((wanted.low, wanted.high), abs=1e-6)


def test_without_records_nothing_is_known():
    assert wilson(0, 0) == (0.0, 1.0)


def decided(labels, accepted, sources=None):
    n = len(labels)
    return PseudoLabels(
        labels=np.array(labels),
        confidence=np.ones(n),
        accepted=np.array(accepted, bool),
        sources=sources or [["fused"]] * n,
        reasons=[""] * n,
        thresholds=np.zeros(2),
    )


@pytest.fixture
def data():
    """Four labelled records and six others; the last two of them have a text alone."""
    present = np.ones((10, 2), bool)
    present[8:, 0] = False
    return SimpleNamespace(
        classes=["cat", "dog"],
        names=["image", "text"],
        present=present,
        labels=np.array([0, 0, 1, 1, -1, -1, -1, -1, -1, -1]),
        target=build_target("single", ["cat", "dog"]),
    )


@pytest.fixture
def found(data):
    pool = decided(
        [0, 0, 0, 1, 0, 1],
        [True, True, True, True, True, False],
        [["fused", "image"]] * 3 + [["fused"]] * 3,
    )
    known = decided([0, 1, 1, 0], [True, True, True, False])
    return audit(
        data=data, rows=np.arange(4, 10), decided=pool, known=known, known_rows=np.arange(4)
    )


def test_precision_is_that_of_accepted_held_out_labels(found):
    """Of the three that were accepted, the second is wrong."""
    assert found["precision"] == pytest.approx(2 / 3)
    assert found["n"] == 3
    assert (found["low"], found["high"]) == wilson(2, 3)


def test_classes_have_their_own_precision(found):
    cat, dog = found["by_class"]["cat"], found["by_class"]["dog"]
    assert (cat["accepted"], cat["labels"], cat["n"], cat["precision"]) == (4, 2, 1, 1.0)
    assert (dog["accepted"], dog["labels"], dog["n"], dog["precision"]) == (1, 2, 2, 0.5)


def test_subsets_without_labelled_records_say_so(found):
    assert found["by_subset"]["text"]["accepted"] == 0.5
    assert found["by_subset"]["text"]["precision"] is None
    assert found["by_subset"]["image+text"]["accepted"] == 1.0


def test_the_shift_is_the_distance_of_the_shares(found):
    """Labels are half and half, accepted ones four to one."""
    assert found["shift"] == pytest.approx(0.3)
    assert found["sources"] == {"fused": 5, "image": 3}
