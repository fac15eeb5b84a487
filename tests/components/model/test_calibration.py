"""Calibration against torchmetrics and scipy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special
from torchmetrics.functional.classification import multiclass_calibration_error

from components.model.calibration import expected_calibration_error, reliability
from components.parts.classification import fit_temperature, nll, softmax


def _drawn(n=3000, k=5, seed=0, temperature=1.0):
    """Logits, and labels drawn from ``softmax(logits / temperature)``."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (n, k))
    p = special.softmax(logits / temperature, axis=1)
    labels = np.array([rng.choice(k, p=row) for row in p])
    return logits, labels


@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_the_temperature_that_made_the_labels_is_found_again(true):
    logits, labels = _drawn(temperature=true)
    assert fit_temperature(logits, labels) == pytest.approx(true, rel=0.1)


def test_the_temperature_is_the_best_of_a_grid():
    logits, labels = _drawn(n=400, temperature=2.0)
    grid = np.exp(np.linspace(np.log(0.06), np.log(19), 500))
    best = min(
        -special.log_softmax(logits / t, axis=1)[np.arange(400), labels].mean() for t in grid
    )
    assert nll(logits, labels, fit_temperature(logits, labels)) <= best + 1e-9


def test_no_rows_leave_the_logits_alone_and_perfect_rows_stay_in_the_bounds():
    assert fit_temperature(np.zeros((0, 3)), np.zeros(0, dtype=int)) == 1.0
    assert 0.05 <= fit_temperature(np.eye(3) * 9, np.arange(3)) < 1


@given(st.integers(0, 1000), st.floats(0.1, 10))
@settings(max_examples=20, deadline=None)
def test_softmax_is_scipys(seed, temperature):
    logits = np.random.default_rng(seed).normal(0, 50, (7, 4)).astype(np.float32)
    assert softmax(logits, temperature) == pytest.approx(
        special.softmax(logits.astype(float) / temperature, axis=1), abs=1e-12
    )


@pytest.mark.parametrize("bins", [5, 15])
def test_calibration_error_is_that_of_torchmetrics(bins):
    logits, labels = _drawn(n=500, temperature=0.5)
    p = softmax(logits)
    oracle = multiclass_calibration_error(
        torch.tensor(p), torch.tensor(labels), num_classes=5, n_bins=bins, norm="l1"
    )
    assert expected_calibration_error(p, labels, bins) == pytest.approx(float(oracle), abs=1e-6)


def test_reliability_bins_hold_every_row_once_by_brute_force():
    logits, labels = _drawn(n=300)
    p = softmax(logits)
    found = reliability(p, labels, 10)
    for i in range(10):
        rows = [r for r in range(300) if found.edges[i] < p[r].max() <= found.edges[i + 1]]
        assert found.counts[i] == len(rows)
        if rows:
            assert found.accuracy[i] == pytest.approx(
                np.mean([p[r].argmax() == labels[r] for r in rows])
            )
    assert found.counts.sum() == 300


def test_without_rows_the_error_is_not_a_number():
    assert np.isnan(expected_calibration_error(np.zeros((0, 3)), np.zeros(0, dtype=int)))
