"""Experiments of methods: their short forms hold, and verdicts follow from intervals."""

import numpy as np
import pytest
import torch

from benchmarks.methods import __main__ as runner
from benchmarks.methods._claim import Check, Claim, Found, found, verdict, verdict_of

EXPERIMENTS = runner.experiments()


def check(**bounds):
    return Check(what="a over b", value=lambda f: f["a"] - f["b"], **bounds)


def claim(*checks):
    return Claim(id="X01", says="", bed="", checks=checks, direction=lambda _: True)


def marked(id_, module):
    """Slow ones run by name; where a claim is known to fail, its short form must go on failing."""
    marks = [pytest.mark.slow] if getattr(module, "SLOW", False) else []
    if why := getattr(module, "FAILS", None):
        marks.append(pytest.mark.xfail(reason=why, strict=True, raises=AssertionError))
    return pytest.param(id_, marks=marks)


@pytest.mark.parametrize("id_", [marked(i, m) for i, m in EXPERIMENTS.items()])
def test_the_short_form_of_an_experiment_holds(id_):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        seen = EXPERIMENTS[id_].run(0, short=True)
    finally:
        torch.set_num_threads(threads)
    assert EXPERIMENTS[id_].CLAIM.direction(seen), seen


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [(0.1, 0.2, "shown"), (-0.1, 0.2, "not shown"), (-0.2, -0.1, "opposite")],
)
def test_a_verdict_needs_the_whole_interval(low, high, wanted):
    assert verdict_of(check(above=0.0), Found(mean=0.0, low=low, high=high, seeds=5)) == wanted


def test_a_bound_from_above_is_kept_too():
    within = Found(mean=0.0, low=-0.01, high=0.01, seeds=5)
    assert verdict_of(check(above=-0.02, below=0.02), within) == "shown"
    assert verdict_of(check(above=-0.02, below=0.0), within) == "not shown"


def test_the_worst_check_is_the_verdict_of_a_claim():
    cells = [{"a": 1.0, "b": 0.0}] * 5
    assert verdict(claim(check(above=0.0)), cells) == "shown"
    assert verdict(claim(check(above=0.0), check(below=0.5)), cells) == "opposite"
    assert verdict(claim(check(above=0.0)), []) is None


def test_the_interval_is_that_of_the_bootstrap():
    numbers = np.array([0.1, 0.4, 0.2, 0.5, 0.3])
    one = found(lambda f: f["a"], [{"a": n} for n in numbers])
    rng = np.random.default_rng(7)
    means = [numbers[rng.integers(5, size=5)].mean() for _ in range(20_000)]
    assert one.mean == pytest.approx(0.3)
    assert [one.low, one.high] == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.01)
