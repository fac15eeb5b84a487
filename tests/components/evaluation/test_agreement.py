"""Agreement of views against closed forms and loops."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.neighbors import NearestNeighbors

from benchmarks.methods._beds import bed
from components.evaluation.agreement import agreements, cka, mutual_neighbours, rank_correlation
from components.features.modality import rebuilt
from components.features.spec import ModalitySpec
from tests import pretrained, synthetic
from tests.synthetic import records, write_features

RNG = np.random.default_rng(0)


def test_cka_is_the_ratio_of_norms_of_centred_products():
    x, y = RNG.normal(size=(50, 7)) + 2, RNG.normal(size=(50, 4))
    a, b = x - x.mean(0), y - y.mean(0)
    wanted = np.linalg.norm(a.T @ b) ** 2 / (np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b))
    assert cka(x, y) == pytest.approx(wanted)
    turned = x @ np.linalg.qr(RNG.normal(size=(7, 7)))[0] * 3 + 5
    assert cka(x, turned) == pytest.approx(1)


def test_mutual_neighbours_are_those_of_scikit_learn():
    x, y = RNG.normal(size=(60, 7)) + 1, RNG.normal(size=(60, 4))
    sets = []
    for z in (x, y):
        rows = z - z.mean(0)
        found = NearestNeighbors(n_neighbors=6, metric="cosine").fit(rows)
        sets.append([set(row[1:]) for row in found.kneighbors(rows)[1]])
    wanted = np.mean([len(a & b) / 5 for a, b in zip(*sets, strict=True)])
    assert mutual_neighbours(x, y, 5) == pytest.approx(wanted)


def test_rank_correlation_is_spearmans_over_all_pairs():
    x, y = RNG.normal(size=(20, 5)), RNG.normal(size=(20, 3))
    flat = []
    for z in (x, y):
        rows = z - z.mean(0)
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        flat.append([rows[i] @ rows[j] for i in range(20) for j in range(i + 1, 20)])
    assert rank_correlation(x, y) == pytest.approx(spearmanr(*flat).statistic)


def test_a_view_that_is_alike_for_all_records_correlates_with_none():
    assert rank_correlation(np.ones((20, 5)), RNG.normal(size=(20, 3))) == 0.0


def test_views_that_share_more_come_first():
    features = bed("pair", 0, records=300, modalities=3, noise=(0.2, 0.2, 3.0))
    found = agreements(features)
    assert (found[0].first, found[0].second) == ("a/numbers", "b/numbers")
    assert found[0].cka > max(a.cka for a in found[1:])
    assert found[0].records == len(features.rows("train"))


def test_sparse_views_are_compared_and_learned_ones_and_lone_modalities_are_not(tmp_path):
    features = write_features(tmp_path / "features", records(80))
    views = {v for a in agreements(features) for v in (a.first, a.second)}
    assert "image/cnn" not in views
    assert {"facts/fields", "text/hashing"} <= views
    few = write_features(tmp_path / "few", records(12))
    assert agreements(few) == []


def test_layers_of_one_model_are_views_that_are_ranked(tmp_path, monkeypatch):
    pretrained.saved("bert", tmp_path / "bert")
    one = {"name": "transformers", "model": str(tmp_path / "bert")}
    layers = [{**one, "view": f"layer{n}", "layer": n} for n in (1, 2)]
    monkeypatch.setitem(synthetic.OPTIONS, "text", {"encoders": [one, *layers]})
    source, words = records(80), pretrained.WORDS[4:]
    source.raws["text"][:] = [" ".join(RNG.choice(words, 3)) for _ in range(80)]
    features = write_features(tmp_path / "features", source)
    pairs = {(a.first, a.second) for a in agreements(features)}
    texts = {"text/transformers", "text/layer1", "text/layer2"}
    assert {("facts/fields", text) for text in texts} <= pairs
    last, first = features.arrays["text/layer2"], features.arrays["text/layer1"]
    assert np.array_equal(features.arrays["text/transformers"], last)  # the mean of the last layer
    assert not np.array_equal(first, last)
    spec = features.specs["text"]
    assert ModalitySpec.parse(spec.to_json()) == spec
    assert [*rebuilt("text", spec).encoders] == spec.names("text")
