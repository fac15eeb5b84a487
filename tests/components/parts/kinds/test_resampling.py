"""Samples at another rate are those of scipy, the oracle."""

import math

import numpy as np
import pytest
from scipy.signal import resample_poly

from components.parts.kinds._resampling import resampled


@pytest.mark.parametrize("rate", [8000, 11_025, 22_050, 44_100, 48_000, 192_000, 7919])
@pytest.mark.parametrize("length", [1, 5, 441, 20_011])
def test_it_is_scipys(rate, length):
    common = math.gcd(rate, 16_000)
    up, down = 16_000 // common, rate // common
    given = np.random.default_rng(0).uniform(-1, 1, length).astype(np.float32)
    found = resampled(given, up, down)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, resample_poly(given, up, down), rtol=0, atol=2e-6)


def test_nothing_stays_nothing():
    assert resampled(np.empty(0, np.float32), 1, 3).shape == (0,)
