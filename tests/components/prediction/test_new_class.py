"""A class that comes later, by what the known ones show."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from components.core.errors import UserError
from components.model.reference import Reference
from components.prediction.new_class import fit

CLASSES, EACH, DIM = 12, 20, 16


def drawn(seed=0):
    """Gaussian classes: rows of the known ones, their labels, and rows of one more class."""
    draw = np.random.default_rng(seed)
    means = draw.normal(size=(CLASSES + 1, DIM)) * 0.25
    labels = np.repeat(np.arange(CLASSES), EACH)
    rows = (means[labels] + draw.normal(size=(len(labels), DIM)) * 0.12).astype(np.float32)
    new = (means[-1] + draw.normal(size=(200, DIM)) * 0.12).astype(np.float32)
    return rows, labels, new


def reference(rows, labels, logits):
    present = np.ones((rows.shape[0], 1), np.bool_)
    return Reference(
        views={"text/a": rows}, present=present, labels=labels, logits=logits.astype(np.float32)
    )


def learned(rows, labels):
    """Logits of an independent classifier of the known classes, by five folds."""
    logits = np.zeros((len(rows), CLASSES))
    for fold in range(5):
        out = np.arange(len(rows)) % 5 == fold
        logits[out] = (
            LinearDiscriminantAnalysis().fit(rows[~out], labels[~out]).decision_function(rows[out])
        )
    return logits


def added(exemplars, rows, labels, logits):
    shown = np.ones((exemplars.shape[0], 1), np.bool_)
    return fit(
        reference(rows, labels, logits), {"text/a": 0}, {"text/a": exemplars}, shown, several=False
    )


@pytest.mark.parametrize("exemplars", [1, 5, 20])
def test_a_new_class_is_told_from_known_ones(exemplars):
    rows, labels, new = drawn()
    logits = learned(rows, labels)
    found = added(new[:exemplars], rows, labels, logits)
    column = found.columns["text/a"]
    model = LinearDiscriminantAnalysis().fit(rows, labels)
    asked = model.decision_function(new[100:])
    recognised = asked.mean(axis=1) + new[100:] @ column.weight + column.bias > asked.max(axis=1)
    lost = logits.mean(axis=1) + rows @ column.weight + column.bias > logits.max(axis=1)
    assert recognised.mean() > 0.8
    assert lost.mean() < 0.05
    assert found.recognised == pytest.approx(recognised.mean(), abs=0.2)


def test_many_exemplars_give_nearly_what_fitting_again_gives():
    rows, labels, new = drawn(1)
    column = added(new[:EACH], rows, labels, learned(rows, labels)).columns["text/a"]
    base = LinearDiscriminantAnalysis().fit(rows, labels).decision_function(new[100:])
    mine = base.mean(axis=1) + new[100:] @ column.weight + column.bias > base.max(axis=1)
    again = LinearDiscriminantAnalysis().fit(
        np.concatenate([rows, new[:EACH]]), np.concatenate([labels, np.full(EACH, CLASSES)])
    )
    assert mine.mean() > (again.predict(new[100:]) == CLASSES).mean() - 0.05


def test_a_shift_of_all_logits_of_a_record_changes_nothing():
    rows, labels, new = drawn(2)
    logits = learned(rows, labels)
    shifts = np.random.default_rng(0).normal(size=(len(rows), 1)) * 10
    one, two = (added(new[:3], rows, labels, each) for each in (logits, logits + shifts))
    assert np.allclose(one.columns["text/a"].weight, two.columns["text/a"].weight, rtol=1e-3)


def test_sparse_rows_give_the_column_of_equal_dense_ones():
    rows, labels, new = drawn(3)
    rows, new = np.abs(rows), np.abs(new)
    logits = learned(rows, labels)
    dense = added(new[:4], rows, labels, logits).columns["text/a"]
    sparse = added(csr_array(new[:4]), csr_array(rows), labels, logits).columns["text/a"]
    asked = new[100:]
    one, two = (asked @ c.weight + c.bias for c in (dense, sparse))
    assert np.corrcoef(one, two)[0, 1] > 0.99


def test_without_two_records_of_a_class_nothing_shows_how():
    rows, _, new = drawn()
    with pytest.raises(UserError, match="two labelled training records"):
        added(new[:2], rows[:CLASSES], np.arange(CLASSES), np.zeros((CLASSES, CLASSES)))
