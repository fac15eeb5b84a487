import numpy as np
import pytest

from components.core.errors import UsageError
from components.parts import loading as parts
from components.parts.labellers import fixed
from components.parts.labelling import Evidence

EVEN = np.full(3, 1 / 3)


def evidence(fused, by_modality=None, present=None):
    fused = np.asarray(fused, float)
    by_modality = by_modality or {"a": fused}
    present = (
        np.ones((len(fused), len(by_modality)), bool)
        if present is None
        else np.asarray(present, bool)
    )
    return Evidence(
        fused=fused,
        by_modality={m: np.asarray(p, float) for m, p in by_modality.items()},
        present=present,
    )


def run(pool, prior=EVEN, **options):
    nothing = evidence(np.empty((0, 3)), {m: np.empty((0, 3)) for m in pool.by_modality})
    return fixed.build(fixed.Config(**{"prior": "none", **options}))(
        pool, nothing, np.empty(0, np.int64), prior
    )


def test_confidence_decides_where_one_modality_is_there():
    found = run(
        evidence([[0.9, 0.05, 0.05], [0.5, 0.3, 0.2], [0.1, 0.1, 0.8]]), quantile=1.0, threshold=0.8
    )
    assert found.labels.tolist() == [0, 0, 2]
    assert found.accepted.tolist() == [True, False, True]
    assert found.reasons == ["accepted", "low confidence", "accepted"]
    assert np.allclose(found.thresholds, [0.8, np.nan, 0.8], equal_nan=True)


def test_modalities_must_agree_where_two_are_there():
    sure = [[0.9, 0.05, 0.05]] * 3
    other = [[0.9, 0.05, 0.05], [0.1, 0.8, 0.1], [0.1, 0.8, 0.1]]
    present = [[1, 1], [1, 1], [1, 0]]
    found = run(evidence(sure, {"a": sure, "b": other}, present), threshold=0.5)
    assert found.accepted.tolist() == [True, False, True]
    assert found.reasons[1] == "modalities disagree"
    assert found.sources == [["fused", "a", "b"], ["fused", "a"], ["fused", "a"]]


def test_two_of_three_are_enough_and_none_need_agree_if_so_asked():
    sure, against = [[0.9, 0.05, 0.05]], [[0.1, 0.8, 0.1]]
    assert run(evidence(sure, {"a": sure, "b": sure, "c": against})).accepted.all()
    assert not run(evidence(sure, {"a": sure, "b": against, "c": against})).accepted.any()
    assert run(evidence(sure, {"a": against, "b": against}), agree=0).accepted.all()


def test_an_unsure_class_still_gives_its_surest_records():
    p = np.linspace(0.4, 0.7, 11)
    pool = evidence(np.stack([p, (1 - p) / 2, (1 - p) / 2], axis=1))
    found = run(pool, threshold=0.9, floor=0.5, quantile=0.8)
    assert found.thresholds[0] == pytest.approx(np.quantile(p, 0.8))
    assert found.accepted.sum() == 3
    assert run(pool, threshold=0.9, floor=0.68, quantile=0.8).accepted.sum() == 1


def noisy_answers(rng, shares, n):
    """Posteriors of a perfect model of noisy signals, under an even prior, and the truth."""
    truth = rng.choice(3, n, p=shares)
    likelihood = np.full((3, 3), 0.2) + np.eye(3) * 0.4
    signal = np.array([rng.choice(3, p=likelihood[c]) for c in truth])
    p = likelihood[:, signal].T
    return p / p.sum(axis=1, keepdims=True), truth


def test_class_shares_are_estimated_and_make_answers_better():
    """Oracle: the shares that the pool was drawn with."""
    rng = np.random.default_rng(0)
    shares = np.array([0.7, 0.2, 0.1])
    pool, truth = noisy_answers(rng, shares, 4000)
    assert np.abs(fixed.estimated_shares(pool, EVEN) - shares).max() < 0.05
    known, labels = noisy_answers(rng, shares, 400)
    given = (evidence(pool), evidence(known), labels, EVEN)
    as_is, moved = (fixed.build(fixed.Config(prior=p))(*given) for p in ("none", "estimated"))
    assert (moved.labels == truth).mean() > (as_is.labels == truth).mean() + 0.05


def test_an_estimate_that_validation_contradicts_is_not_used():
    rng = np.random.default_rng(1)
    pool, _ = noisy_answers(rng, [0.05, 0.05, 0.9], 2000)
    known, labels = noisy_answers(rng, EVEN, 600)
    ratio, _ = fixed.adjust(evidence(pool), evidence(known), labels, EVEN)
    assert np.allclose(ratio, 1)


@pytest.mark.parametrize(
    "options", [{"floor": 0.9, "threshold": 0.5}, {"quantile": 2.0}, {"agree": -1}]
)
def test_wrong_options_say_what_is_wanted(options):
    with pytest.raises(UsageError, match=r"got .* wanted"):
        parts.configure("labellers", "fixed", options)
