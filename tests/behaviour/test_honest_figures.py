"""Figures of search and contrast count the same records as found, and are taken among all."""

import itertools
import json

import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from components.config.run import EvaluationConfig
from components.evaluation.encoded import Encoded
from components.evaluation.evaluate import evaluate
from components.evaluation.held_out import HeldOut
from components.model import storage
from components.parts.losses.info_nce import Config as InfoNCEConfig
from components.parts.losses.info_nce import build
from components.parts.network import Likeness, ModelOutput
from components.training.data import training_data
from tests import evaluated, synthetic


def figures(run, out, queries):
    out.mkdir()
    names = ("features", "teacher", "train", "baselines", "pseudo", "accepted")
    with evaluated.one_thread():
        evaluate(
            **{name: run.root / name for name in names},
            evaluation=EvaluationConfig(resamples=100, retrieval_queries=queries),
            out=out,
        )
    return json.loads((out / "metrics.json").read_text())


def test_few_queries_search_among_all_test_records(run, tmp_path):
    """Oracle: a loop over every record that was asked and every record of the test split."""
    found = figures(run, tmp_path / "out", queries=9)["retrieval"]
    held_out = HeldOut.of(run.features)
    test = np.flatnonzero(held_out.test)
    asked = np.random.default_rng(0).choice(len(test), 9, replace=False)
    with evaluated.one_thread():
        vectors = Encoded.of(storage.load(run.root / "train" / "model"), held_out).infer(test)
    groups = [run.features.groups[row] for row in held_out.rows[test]]
    for source, target in itertools.permutations(run.features.names, 2):
        has = {n: held_out.present[test, run.features.names.index(n)] for n in (source, target)}
        ranks = []
        for q in (q for q in asked if has[source][q]):
            scores = vectors.embeddings[target] @ vectors.embeddings[source][q]
            own = [i for i in np.flatnonzero(has[target]) if groups[i] == groups[q]]
            if own:
                others = np.setdiff1d(np.flatnonzero(has[target]), own)  # ties count against
                ranks.append(1 + np.sum(scores[others] > max(scores[own]) - 1e-6))
        figure = found[f"{source}->{target}"]
        assert figure["gallery"] == has[target].sum() > 9
        assert figure["n"] == len(ranks)
        for k in (1, 5, 10):
            assert figure[f"recall@{k}"] == pytest.approx(np.mean([r <= k for r in ranks]))


def test_the_gain_on_complete_records_is_that_of_the_records_with_every_modality(run, tmp_path):
    """Oracle: a loop over the stored answers."""
    import pyarrow.parquet as pq

    metrics = figures(run, tmp_path / "out", queries=9)
    held_out = HeldOut.of(run.features)
    whole = {
        run.features.ids[row]
        for row, present in zip(held_out.rows, held_out.present, strict=True)
        if present.all()
    }
    rows = [
        row
        for row in pq.read_table(tmp_path / "out" / "comparisons.parquet").to_pylist()
        if row["split"] == "test" and row["id"] in whole
    ]
    right = [
        np.mean([row[model] == row["label"] for row in rows]) for model in ("chosen", "best_single")
    ]
    found = metrics["intervals"]["fused_minus_best_single_complete"]
    assert found["n"] == len(rows) < metrics["n"]
    assert found["difference"] == pytest.approx(right[0] - right[1])
    assert metrics["intervals"]["fused_minus_best_single"]["n"] == metrics["n"]


def contrast(present, groups, contents, z, scale):
    """The loss by loops: a record's own partner against those of records that differ from it."""
    pairs = []
    for a, b in itertools.combinations(range(len(z)), 2):
        rows = [r for r in range(len(groups)) if present[r][a] and present[r][b]]
        lost = []
        for r in rows:
            others = [
                s
                for s in rows
                if s == r
                or (
                    groups[s] != groups[r] and all(contents[s][m] != contents[r][m] for m in (a, b))
                )
            ]
            for one, other in ((a, b), (b, a)):
                scores = [scale * z[one][r] @ z[other][s] for s in others]
                lost.append(logsumexp(scores) - scale * z[one][r] @ z[other][r])
        if len(rows) > 1:
            pairs.append(np.mean(lost))
    return np.mean(pairs)


@pytest.mark.parametrize("seed", range(3))
def test_records_of_one_group_or_of_equal_content_are_no_negatives(seed):
    """Oracle: the formula as a loop, in scipy."""
    rng = np.random.default_rng(seed)
    n, names = 14, ("a", "b", "c")
    z = rng.normal(size=(3, n, 4))
    z /= np.linalg.norm(z, axis=2, keepdims=True)
    present = rng.random((n, 3)) > 0.2
    groups = rng.integers(0, 6, n)
    contents = rng.integers(0, 9, (n, 3))
    out = ModelOutput(
        logits=torch.zeros(n, 2),
        modality_logits={},
        embeddings={m: torch.tensor(x, dtype=torch.float32) for m, x in zip(names, z, strict=True)},
        fused=torch.zeros(n, 4),
    )
    likeness = Likeness(groups=torch.tensor(groups), contents=torch.tensor(contents))
    loss = build(InfoNCEConfig(temperature=0.2))
    value = loss(out, torch.zeros(n, 2), torch.zeros(n), torch.tensor(present), likeness)
    assert value.item() == pytest.approx(contrast(present, groups, contents, z, 5.0), rel=1e-5)
    assert value < loss(out, torch.zeros(n, 2), torch.zeros(n), torch.tensor(present))


def test_where_all_records_are_alike_nothing_is_learned_and_nothing_breaks():
    z = {m: torch.nn.functional.normalize(torch.randn(5, 3), dim=1).requires_grad_() for m in "ab"}
    out = ModelOutput(
        logits=torch.zeros(5, 2), modality_logits={}, embeddings=z, fused=torch.zeros(5, 3)
    )
    same = Likeness(groups=torch.zeros(5), contents=torch.zeros(5, 2))
    value = build(InfoNCEConfig())(out, None, None, torch.ones(5, 2, dtype=torch.bool), same)
    value.backward()
    assert value == 0
    assert all(torch.equal(x.grad, torch.zeros(5, 3)) for x in z.values())


def test_groups_and_equal_contents_reach_every_batch(tmp_path):
    """Oracle: groups and raw values of the records themselves."""
    source, groups = synthetic.records(60), [f"g{row // 3}" for row in range(60)]
    features = synthetic.write_features(tmp_path, source, groups=groups)
    data = training_data(features, names=("facts", "text"), unlabelled=True)
    rows = np.flatnonzero(features.splits == "train")
    batch = data.batch(rows, torch.device("cpu"), part=(3, 5))  # of which one process reads three
    likeness, present = batch.likeness, batch.present
    for i, j in itertools.product(range(len(rows)), repeat=2):
        a, b = rows[i], rows[j]
        assert (likeness.groups[i] == likeness.groups[j]) == (groups[a] == groups[b])
        for column, name in enumerate(data.names):
            if present[i, column] and present[j, column]:
                same = likeness.contents[i, column] == likeness.contents[j, column]
                assert same == (source.raws[name][a] == source.raws[name][b])
