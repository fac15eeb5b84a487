"""Agreement and entropy weights against the formula by hand."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import entropy

from components.parts.labellers import agreement
from components.parts.labelling import Evidence

A = np.array([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.98, 0.01, 0.01], [0.2, 0.5, 0.3]])
B = np.array([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [0.2, 0.5, 0.3], [0.9, 0.05, 0.05]])


def evidence(a, b, present=None):
    has = np.ones((len(a), 2), bool) if present is None else np.array(present, bool)
    return Evidence(fused=(a + b) / 2, by_modality={"a": a, "b": b}, present=has)


def label(pool, held_out, known=(), **options):
    decide = agreement.build(agreement.Config(**options))
    return decide(pool, held_out, np.array(known, np.int64), np.full(3, 1 / 3))


NOBODY = evidence(np.empty((0, 3)), np.empty((0, 3)))


def test_a_label_is_what_all_modalities_name_and_it_counts_in_full():
    pool = evidence(A, B, [[1, 1], [1, 1], [1, 1], [1, 0]])
    found = label(pool, NOBODY, rule="agreement")
    assert found.accepted.tolist() == [True, False, False, False]
    assert (found.labels[0], found.confidence[0]) == (0, 1.0)
    assert found.sources[0] == ["a", "b"]
    assert found.reasons[1] == "modalities disagree"


def test_answers_are_weighted_by_their_entropy():
    """Oracle: scipy's entropy, record by record."""
    found = label(evidence(A, B, [[1, 1], [1, 1], [1, 1], [0, 1]]), NOBODY, rule="entropy")
    for row in range(3):
        w = np.exp([-entropy(A[row]), -entropy(B[row])])
        assert np.allclose(found.soft[row], (w[0] * A[row] + w[1] * B[row]) / w.sum())
    assert np.allclose(found.soft[3], B[3]), "an absent modality does not count"
    assert found.labels[2] == 0, "the surer one wins"
    assert np.allclose(found.confidence, found.soft.max(axis=1))
    assert found.accepted.all()


@pytest.mark.parametrize(("known", "rule"), [(A, "agreement"), (B, "entropy")])
def test_the_switch_asks_whether_the_pool_agrees_as_often_as_labelled_records(known, rule):
    """One record of four agrees in the pool; of the labelled ones as many, or all."""
    pool = evidence(A, B)
    assert agreement.rule_for(agreement.Config(), pool, evidence(B, known)) == rule


def test_a_class_of_a_set_is_given_where_all_say_yes_and_denied_where_all_say_no():
    pool = evidence(A, B)
    decide = agreement.build(agreement.Config(rule="agreement"))
    found = decide(pool, NOBODY, np.empty((0, 3), np.int64), np.full(3, 0.3))
    assert found.labels[0].tolist() == [1, 0, 0]
    assert found.labels[1].tolist() == [-1, -1, 0]
    assert found.accepted.tolist() == [True, False, False, False]


def test_what_moves_every_modality_alike_is_no_agreement():
    """Oracle: the answers before the same was added to the logits of both."""
    shift = np.log([1.0, 9.0, 1.0])
    moved = [p * np.exp(shift) / (p * np.exp(shift)).sum(axis=1, keepdims=True) for p in (A, B)]
    found = label(replace(evidence(*moved), shift=shift), NOBODY, rule="agreement")
    wanted = label(evidence(A, B), NOBODY, rule="agreement")
    assert found.labels.tolist() == wanted.labels.tolist()
    assert found.accepted.tolist() == wanted.accepted.tolist()
    assert label(evidence(*moved), NOBODY, rule="agreement").accepted.sum() > 1
