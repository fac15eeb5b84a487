"""The contract of every labeller; new files are picked up automatically."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from components.core.errors import UserError
from components.parts import loading as parts
from components.parts.labelling import Evidence, Records
from tests.components.parts.batches import NAMES, K


def evidence(n, rng, present=None):
    draw = lambda: rng.dirichlet(np.ones(K), n)  # noqa: E731
    shown = rng.random((n, 3)) > 0.4 if present is None else present
    shown[~shown.any(axis=1), 0] = True
    return Evidence(
        fused=draw(),
        by_modality={m: draw() for m in NAMES},
        present=shown,
        records=records(shown, rng),
    )


def records(shown, rng):
    x = {
        f"{m}/v": unit(rng.normal(size=(len(shown), 6))) * shown[:, [i]]
        for i, m in enumerate(NAMES)
    }
    return Records(
        classes=[f"class {c}" for c in range(K)],
        folds=np.arange(len(shown)) % 3,
        features=lambda: {view: rows.astype(np.float32) for view, rows in x.items()},
        told=lambda texts: {"text/v": (x["text/v"].astype(np.float32), names(texts))},
    )


def names(texts):
    """A vector for each text, the same one whenever it comes."""
    drawn = [np.random.default_rng(list(text.encode())).normal(size=6) for text in texts]
    return unit(np.array(drawn)).astype(np.float32)


def unit(x):
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def labeller(name):
    return parts.load("labellers", name).build(parts.configure("labellers", name, {}))


@pytest.mark.parametrize("name", parts.available("labellers"))
class TestLabeller:
    @pytest.mark.parametrize("n", [0, 1, 60])
    def test_every_record_gets_one_answer(self, name, n):
        rng = np.random.default_rng(0)
        found = labeller(name)(
            evidence(n, rng), evidence(30, rng), rng.integers(0, K, 30), np.full(K, 1 / K)
        )
        assert found.labels.shape == found.confidence.shape == found.accepted.shape == (n,)
        assert len(found.sources) == len(found.reasons) == n
        assert found.thresholds.shape == (K,)
        assert ((found.labels >= 0) & (found.labels < K)).all()
        assert ((found.confidence >= 0) & (found.confidence <= 1)).all()
        assert set(itertools.chain(*found.sources)) <= {"fused", *NAMES}

    def test_it_works_without_validation_labels(self, name):
        rng = np.random.default_rng(0)
        found = labeller(name)(
            evidence(20, rng), evidence(0, rng), np.empty(0, np.int64), np.full(K, 1 / K)
        )
        assert len(found.labels) == 20

    def test_absent_modalities_are_never_read(self, name):
        rng = np.random.default_rng(1)
        pool, known, labels = evidence(50, rng), evidence(30, rng), rng.integers(0, K, 30)
        other = Evidence(
            fused=pool.fused,
            by_modality={
                m: np.where(pool.present[:, [i]], p, 1 / K)
                for i, (m, p) in enumerate(pool.by_modality.items())
            },
            present=pool.present,
            records=pool.records,
        )
        prior = np.full(K, 1 / K)
        a, b = (labeller(name)(x, known, labels, prior) for x in (pool, other))
        assert a.accepted.tolist() == b.accepted.tolist()
        assert a.sources == b.sources

    def test_the_same_evidence_gives_the_same_answers(self, name):
        rng = np.random.default_rng(2)
        given = (evidence(50, rng), evidence(30, rng), rng.integers(0, K, 30), np.full(K, 1 / K))
        a, b = labeller(name)(*given), labeller(name)(*given)
        assert a.accepted.tolist() == b.accepted.tolist()
        assert a.confidence.tolist() == b.confidence.tolist()

    def test_each_class_of_a_set_is_given_denied_or_left_unknown(self, name):
        rng = np.random.default_rng(3)
        pool, known = evidence(40, rng), evidence(30, rng)
        labels = rng.integers(0, 2, (30, K))
        found = labeller(name)(pool, known, labels, labels.mean(axis=0))
        assert found.labels.shape == (40, K)
        assert set(np.unique(found.labels)) <= {-1, 0, 1}
        assert ((found.labels == 1).any(axis=1) >= found.accepted).all()
        assert ((found.confidence >= 0) & (found.confidence <= 1)).all()


@pytest.mark.parametrize("name", ["graph", "voting", "prompts"])
def test_a_labeller_that_reads_records_says_so_where_there_are_none(name):
    rng = np.random.default_rng(0)
    pool, known = (replace(evidence(9, rng), records=None) for _ in range(2))
    with pytest.raises(UserError, match=f"labeller {name}: got probabilities alone, wanted"):
        labeller(name)(pool, known, rng.integers(0, K, 9), np.full(K, 1 / K))
