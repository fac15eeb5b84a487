"""The gate: its three verdicts, the rule for a first version, and its evidence."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap

from components.config.run import GateConfig
from components.core.errors import UserError
from components.registry.gate import Rows, decide, evidence_digest

CONFIG = GateConfig(metric="accuracy", resamples=400)
LABELS = np.array(["a", "b"] * 200)


def answers(right, of=LABELS):
    """Predictions of which the first ``right`` are correct."""
    return np.where(np.arange(len(of)) < right, of, "wrong")


def against_champion(right, champion_right, config=CONFIG, **changes):
    parts = {"challenger": "new", "champion": "old", "rows_digest": "r", "config": config} | changes
    return decide(
        Rows(labels=LABELS, challenger=answers(right), champion=answers(champion_right)), **parts
    )


def first(challenger, majority, single=None):
    rows = Rows(
        labels=LABELS, challenger=answers(challenger), majority=answers(majority),
        best_single=None if single is None else answers(single),
    )  # fmt: skip
    return decide(rows, challenger="new", champion=None, rows_digest="r", config=CONFIG)


@pytest.mark.parametrize(
    ("challenger", "champion", "verdict"),
    [
        (300, 250, "promote"),
        (250, 300, "keep"),
        (300, 300, "keep"),
        (302, 300, "inconclusive"),
        (400, 0, "promote"),
    ],
)
def test_a_challenger_is_promoted_only_if_shown_better(challenger, champion, verdict):
    assert against_champion(challenger, champion).verdict == verdict


def test_the_margin_moves_the_bar():
    by_margin = [
        against_champion(300, 260, GateConfig(metric="accuracy", resamples=400, margin=m)).verdict
        for m in (0.0, 0.1, 0.2)
    ]
    assert by_margin == ["promote", "inconclusive", "keep"]


@pytest.mark.parametrize(
    ("challenger", "majority", "single", "verdict"),
    [
        (300, 200, None, "promote"),
        (300, 200, 250, "promote"),
        (300, 200, 300, "promote"),
        (300, 200, 302, "inconclusive"),
        (300, 200, 350, "keep"),
        (200, 250, 150, "keep"),
        (203, 200, 150, "inconclusive"),
    ],
)
def test_the_first_version_must_beat_the_majority_and_not_be_below_the_best_single(
    challenger, majority, single, verdict
):
    assert first(challenger, majority, single).verdict == verdict


def test_a_handful_of_rows_never_promotes_however_clear():
    for n, verdict in [(5, "inconclusive"), (6, "promote")]:
        rows = Rows(labels=LABELS[:n], challenger=LABELS[:n], champion=np.repeat("wrong", n))
        decision = decide(rows, challenger="new", champion="old", rows_digest="r", config=CONFIG)
        assert decision.verdict == verdict, decision.reasons


def test_the_same_package_is_nothing_to_decide():
    decision = against_champion(300, 300, champion="new")
    assert decision.verdict == "keep"
    assert decision.evidence["comparisons"] == {}
    assert "nothing to decide" in decision.reasons[0]


def test_the_interval_is_scipys_paired_bootstrap():
    rng = np.random.default_rng(0)
    a, b = (np.where(rng.random(400) < p, LABELS, "wrong") for p in (0.7, 0.6))
    rows = Rows(labels=LABELS, challenger=a, champion=b)
    config = GateConfig(metric="accuracy", resamples=4000)
    found = decide(rows, challenger="n", champion="o", rows_digest="r", config=config).evidence[
        "comparisons"
    ]["champion"]
    oracle = bootstrap(
        ((a == LABELS).astype(float), (b == LABELS).astype(float)),
        lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis),
        paired=True, vectorized=True, method="percentile", n_resamples=4000, rng=1,
    ).confidence_interval  # fmt: skip
    assert found["low"] == pytest.approx(oracle.low, abs=0.005)
    assert found["high"] == pytest.approx(oracle.high, abs=0.005)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 400), st.integers(0, 400), st.sampled_from(["accuracy", "macro_f1"]))
def test_both_ways_round_is_never_promoted(one, other, metric):
    config = GateConfig(resamples=100, metric=metric)
    verdicts = {
        against_champion(one, other, config).verdict,
        against_champion(other, one, config).verdict,
    }
    assert verdicts != {"promote"}


def test_evidence_is_the_same_for_the_same_and_another_for_anything_else():
    same = {"challenger": "n", "champion": "o", "rows": "r", "config": CONFIG}
    digest = evidence_digest(**same)
    assert digest == evidence_digest(**same)
    others = [
        {"challenger": "m"},
        {"champion": None},
        {"rows": "s"},
        {"config": GateConfig(metric="accuracy", resamples=400, margin=0.1)},
    ]
    assert len({digest, *(evidence_digest(**same | other) for other in others)}) == 5
    assert (
        against_champion(300, 250, looks=7).evidence_digest
        == against_champion(300, 250).evidence_digest
    )
    assert against_champion(300, 250, looks=7).evidence["looks_before"] == 7


def test_without_rows_it_says_what_to_do():
    none = np.array([], dtype=str)
    rows = Rows(labels=none, challenger=none, champion=none)
    with pytest.raises(UserError, match=r"gate\.split"):
        decide(rows, challenger="n", champion="o", rows_digest="r", config=CONFIG)
