"""The fusion-gain test, against a bootstrap written out."""

import numpy as np
import pytest

from components.core.errors import UserError
from components.evaluation.gain import fusion_gain
from components.parts.classification import macro_f1


def answers(labels, right, seeds, rng):
    """Answers ``(seeds, n)`` that are right with some chance."""
    wrong = (labels + 1 + rng.integers(0, 2, (seeds, len(labels)))) % 3
    return np.where(rng.random((seeds, len(labels))) < right, labels, wrong)


@pytest.fixture
def cell():
    rng = np.random.default_rng(4)
    labels = rng.choice(3, 150, p=[0.6, 0.3, 0.1])
    given = {name: answers(labels, r, 4, rng) for name, r in (("f", 0.8), ("a", 0.7), ("b", 0.75))}
    return labels, given["f"], {"a": given["a"], "b": given["b"]}


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1"])
def test_it_is_the_bootstrap_over_seeds_and_records(cell, metric):
    labels, fused, singles = cell

    def figure(truth, said):
        return np.mean(truth == said) if metric == "accuracy" else macro_f1(truth, said)

    gain = fusion_gain(labels, fused, singles, {"a": 0.9, "b": 0.8}, metric=metric, resamples=4000)
    assert gain.best == "a", "by its validation figure, not by that of the test records"
    each = [figure(labels, f) - figure(labels, a) for f, a in zip(fused, singles["a"], strict=True)]
    assert gain.interval.difference == pytest.approx(np.mean(each))
    rng, draws = np.random.default_rng(9), []
    for _ in range(600):
        rows, seeds = rng.integers(0, len(labels), len(labels)), rng.integers(0, 4, 4)
        draws.append(
            np.mean(
                [
                    figure(labels[rows], fused[s][rows])
                    - figure(labels[rows], singles["a"][s][rows])
                    for s in seeds
                ]
            )
        )
    wanted = np.quantile(draws, [0.025, 0.975])
    assert (gain.interval.low, gain.interval.high) == pytest.approx(wanted, abs=0.02)
    assert gain.ships == (gain.interval.low > 0)


def test_equal_models_gain_nothing_and_do_not_ship(cell):
    labels, fused, _ = cell
    gain = fusion_gain(labels, fused, {"a": fused}, {"a": 1.0})
    assert (gain.interval.low, gain.interval.difference, gain.interval.high) == (0, 0, 0)
    assert not gain.ships


def test_answers_of_other_records_are_refused(cell):
    labels, fused, singles = cell
    with pytest.raises(UserError, match=r"\(3, 150\), \(4, 150\)"):
        fusion_gain(labels, fused, {"a": singles["a"][:3]}, {"a": 1.0})
