"""The beds: what is drawn, and that the oracle is the best that can be reached."""

import json
from itertools import pairwise

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from scipy.stats import norm
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from benchmarks.methods._beds import bed, truth, wrong
from components.beds.dataset import BUDGETS, make_bed
from components.beds.generator import generator
from components.beds.knobs import Knobs, knobs_of
from components.beds.oracle import oracle
from components.core.errors import UsageError, UserError
from components.data.manifest import load_manifest
from components.data.splits import assign


def drawn(name, n, seed=5, **given):
    law = generator(name, knobs_of(name, **given))
    return law, law.draw(n, np.random.default_rng(seed))


def test_no_linear_rule_of_many_records_beats_the_oracle_and_it_comes_close():
    """scikit-learn's discriminant analysis is the best rule for such classes, up to estimation."""
    given = {"modalities": 2, "imbalance": 3, "shared": 0.7, "noise": (0.8, 1.2), "dim": 16}
    _, learned = drawn("pair", 20_000, **given)
    _, asked = drawn("pair", 20_000, seed=6, **given)
    best = oracle("pair", Knobs(**given))
    for subset, at in (("a", [0]), ("b", [1]), ("a+b", [0, 1])):
        x, t = (d.vectors[:, at].reshape(20_000, -1) for d in (learned, asked))
        found = LinearDiscriminantAnalysis().fit(x, learned.labels).score(t, asked.labels)
        assert found == pytest.approx(best[subset], abs=0.01)


@pytest.mark.parametrize("subset", [[0], [1], [0, 1]])
def test_two_classes_are_told_apart_as_the_distance_of_their_means_allows(subset):
    """Closed form for two equally common classes: Phi(half the Mahalanobis distance)."""
    knobs = Knobs(classes=2, dim=12, noise=(1.0, 1.5))
    _, many = drawn("pair", 60_000, classes=2, dim=12, noise=(1.0, 1.5))
    x = many.vectors[:, subset].reshape(60_000, -1)
    means = [x[many.labels == k].mean(0) for k in (0, 1)]
    within = np.cov((x - np.array(means)[many.labels]).T)
    far = means[1] - means[0]
    distance = np.sqrt(far @ np.linalg.solve(within, far))
    name = "+".join("ab"[m] for m in subset)
    assert oracle("pair", knobs)[name] == pytest.approx(norm.cdf(distance / 2), abs=0.01)


def test_exclusive_or_redundant_and_unique_bits_have_their_closed_forms():
    one, two = norm.cdf(2.0 / 1.0), norm.cdf(2.0 / 1.6)
    given = {"noise": (1.0, 1.6)}
    xor = oracle("xor", Knobs(**given))
    # Right if both bits are read rightly, or both wrongly.
    assert xor["a+b"] == pytest.approx(one * two + (1 - one) * (1 - two), abs=0.006)
    assert xor["a"] == xor["b"] == pytest.approx(0.5)
    both = norm.cdf(np.hypot(2.0 / 1.0, 2.0 / 1.6))
    redundant = oracle("xor", Knobs(variant="redundant", **given))
    assert redundant["a+b"] == pytest.approx(both, abs=0.006)
    assert redundant["b"] == pytest.approx(two, abs=0.006)
    unique = oracle("xor", Knobs(variant="unique", **given))
    assert unique["a+b"] == unique["a"] == pytest.approx(one, abs=0.006)
    assert unique["b"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("pair", {"modalities": 3, "imbalance": 10}),
        ("xor", {"imbalance": 4, "noise": 1.5}),
        ("xor", {"modalities": 3}),
        ("xor", {"variant": "redundant", "imbalance": 3}),
    ],
)
def test_the_oracle_is_right_as_often_as_it_says_and_its_probabilities_are_calibrated(name, given):
    law, many = drawn(name, 20_000, **given)
    posterior = law.posterior(many.vectors, range(law.knobs.modalities))
    right = (posterior.argmax(1) == many.labels).mean()
    whole = "+".join(law.knobs.names)
    assert right == pytest.approx(oracle(name, law.knobs)[whole], abs=0.012)
    shares = np.bincount(many.labels, minlength=law.classes) / len(many.labels)
    assert posterior.mean(0) == pytest.approx(shares, abs=0.012)


def test_missing_modalities_lower_what_can_be_reached_on_records_as_drawn():
    best = oracle("pair", Knobs(missing=0.5))
    # One of the two is kept where both would be lost: a alone, b alone, both: 3/8, 3/8, 2/8.
    wanted = (3 * best["a"] + 3 * best["b"] + 2 * best["a+b"]) / 8
    assert best["as drawn"] == pytest.approx(wanted)


def test_a_bed_is_a_data_set_whose_faults_are_in_the_training_records_alone(tmp_path):
    knobs = knobs_of("pair", records=400, wrong=0.5, unlabelled=0.5, missing=0.3, dim=8)
    best = make_bed("pair", tmp_path / "set", knobs)
    manifest = load_manifest(str(tmp_path / "set"))
    table = pq.read_table(tmp_path / "set" / "records.parquet")
    train = np.array([s == "train" for s in assign(table["id"].to_pylist(), manifest.split)])
    for fault in (table["wrong_pair"].to_numpy(), pc.is_null(table["label"]).to_numpy()):
        assert not fault[~train].any()
        assert fault[train].mean() == pytest.approx(0.5, abs=0.1)
    assert sorted(manifest.modalities) == ["a", "b"]
    said = json.loads((tmp_path / "set" / "oracle.json").read_text())
    assert said["accuracy"] == best
    assert "variant" not in said["knobs"]
    make_bed("pair", tmp_path / "again", knobs)
    assert pq.read_table(tmp_path / "again" / "records.parquet").equals(table)
    with pytest.raises(UserError, match="never overwritten"):
        make_bed("pair", tmp_path / "set", knobs)


def test_visible_labels_are_nested_from_budget_to_budget(tmp_path):
    make_bed("xor", tmp_path / "set", knobs_of("xor", records=400, dim=4))
    table = pq.read_table(tmp_path / "set" / "labelled.parquet")
    for seed in range(5):
        flags = [table[f"labelled_{k}_seed{seed}"].to_numpy() for k in BUDGETS]
        assert all((less <= more).all() for less, more in pairwise(flags))
        assert flags[1].sum() == 2 * 2


def test_encoded_records_hold_the_visible_labels_and_the_truth_apart():
    data = bed("pair", 3, labels=2, records=300, dim=6, wrong=0.2, classes=3)
    train, visible = data.rows("train"), data.rows("train", labelled=True)
    assert len(visible) == 3 * 2
    assert (data.labels[visible] == truth(data)[visible]).all()
    assert len(data.rows("test", labelled=True)) == len(data.rows("test"))
    assert 0 < wrong(data)[train].mean() < 0.4
    assert data.arrays["a/numbers"].shape == (300, 6)


def test_mistakes_are_told_at_once():
    with pytest.raises(UsageError) as told:
        knobs_of("pair", variant="xor", sharde=0.1, imbalance=0.5, modalities=9)
    for said in ("variant", "did you mean 'shared'", "imbalance: got 0.5", "modalities: got 9"):
        assert said in str(told.value)
    with pytest.raises(UsageError, match="got 3 deviations for 2 modalities"):
        knobs_of("xor", noise=(1, 2, 3))
    with pytest.raises(UsageError, match="did you mean 'pair'"):
        knobs_of("pairs")
