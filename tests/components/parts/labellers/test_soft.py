import numpy as np
import pytest

from components.parts.labellers import soft
from components.parts.labelling import Evidence


def evidence(fused, first, second, present=None):
    """Of two modalities, from probabilities of the first of two classes."""
    rows = [np.stack([p, 1 - np.asarray(p)], axis=1) for p in (fused, first, second)]
    has = np.ones((len(fused), 2), bool) if present is None else np.array(present, bool)
    return Evidence(fused=rows[0], by_modality={"a": rows[1], "b": rows[2]}, present=has)


def label(pool, held_out, labels, floor=0.5):
    decide = soft.build(soft.Config(floor=floor))
    return decide(pool, held_out, np.array(labels), np.array([0.5, 0.5]))


NOBODY = evidence(np.empty(0), np.empty(0), np.empty(0))


def test_confidence_is_corrected_by_how_often_held_out_records_that_agree_are_right():
    """Oracle: by hand, 8 right of 10 that were .9 sure, beside 10 records that say nothing."""
    sure = np.full(10, 0.9)
    held_out = evidence(sure, sure, sure)
    pool = evidence(np.array([0.9]), np.array([0.9]), np.array([0.9]))
    found = label(pool, held_out, [0] * 8 + [1] * 2)
    assert found.confidence[0] == pytest.approx(0.9 * (8 + 10) / (9 + 10))


def test_records_whose_modalities_disagree_are_judged_by_others_like_them():
    fused, agree, oppose = np.full(20, 0.8), np.full(20, 0.8), np.full(20, 0.2)
    second = np.where(np.arange(20) < 10, agree, oppose)
    held_out = evidence(fused, agree, second)  # the first ten agree, and are right
    pool = evidence(np.array([0.8, 0.8]), np.array([0.8, 0.8]), np.array([0.8, 0.2]))
    found = label(pool, held_out, [0] * 10 + [1] * 10)
    assert found.confidence[0] == pytest.approx(0.8 * 20 / 18)
    assert found.confidence[1] == pytest.approx(0.8 * 10 / 18)
    assert found.accepted.tolist() == [True, False]
    assert found.sources == [["fused", "a", "b"], ["fused", "a"]]


def test_a_record_of_one_modality_has_nothing_to_agree_with():
    pool = evidence(np.array([0.7]), np.array([0.7]), np.array([0.1]), present=[[True, False]])
    held_out = evidence(np.full(9, 0.9), np.full(9, 0.9), np.full(9, 0.1))  # all disagree, wrong
    assert label(pool, held_out, [1] * 9).confidence[0] == pytest.approx(0.7)


def test_the_student_gets_the_whole_distribution_and_nothing_below_the_floor():
    pool = evidence(np.array([0.9, 0.6]), np.array([0.9, 0.6]), np.array([0.9, 0.6]))
    found = label(pool, NOBODY, [], floor=0.7)
    assert found.accepted.tolist() == [True, False]
    assert np.allclose(found.soft, pool.fused)


def test_confidence_is_at_most_one():
    sure = np.full(50, 0.6)
    pool = evidence(np.array([0.99]), np.array([0.99]), np.array([0.99]))
    assert label(pool, evidence(sure, sure, sure), [0] * 50).confidence[0] == 1.0


def test_of_sets_every_probability_is_learned_where_some_class_is_likelier_than_not():
    p = np.array([[0.9, 0.1, 0.6], [0.4, 0.45, 0.2]])
    pool = Evidence(fused=p, by_modality={"a": p}, present=np.ones((2, 1), bool))
    decide = soft.build(soft.Config())
    found = decide(pool, pool, np.zeros((2, 3), np.int64), np.full(3, 0.5))
    assert found.accepted.tolist() == [True, False]
    assert found.labels[0].tolist() == [1, 0, 1]
    assert found.confidence[0] == pytest.approx(np.mean([0.9, 0.9, 0.6]))
    assert found.soft is not None
    assert np.allclose(found.soft, p)
