"""What a model keeps of labelled records: answers of nothing that has seen their labels."""

import numpy as np
import pytest

from components.model.description import BY_BOTH, BY_COMMITTEE, Mix
from components.training.remember import remember_mix
from components.training.selection import Trial
from tests import evaluated, learned
from tests.synthetic import records, write_features


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    names = ("facts", "text")
    data = write_features(tmp_path_factory.mktemp("keep"), records(80, labelled=0.8), names)
    model = evaluated.fit(data, names, seed=0, steps=1)
    learned.with_committee(model, data)
    return model


def trial(model, network):
    """A third of the kept records judge; every answer of the network is 7, the committee's 1."""
    rows = np.sort(model.reference.rows[model.reference.judged])[::3]

    def one(_names):
        return np.full((len(rows), 4), 1.0)

    def seven(_names):
        return np.full((len(rows), 4), 7.0)

    return Trial(rows=rows, committee=one, network=seven if network else None)


def kept(model, mix, given):
    """The logits before and after, and which records judged; the model stays as it was."""
    before, mixed = model.reference, model.mix
    try:
        model.mix = mix
        remember_mix(model, given)
        return before.logits, model.reference.logits, np.isin(before.rows, given.rows)
    finally:
        model.reference, model.mix = before, mixed


@pytest.mark.parametrize(("mix", "told"), [(BY_BOTH, 4.0), (Mix(), 7.0), (BY_COMMITTEE, 1.0)])
def test_records_that_judged_have_the_answers_of_the_mix(fitted, mix, told):
    before, after, judged = kept(fitted, mix, trial(fitted, network=True))
    assert 3 < judged.sum() < len(judged)
    assert (after[judged] == told).all()
    assert np.array_equal(after[~judged], before[~judged], equal_nan=True)


def test_a_network_that_nothing_judged_has_no_part_in_what_is_kept(fitted):
    """It has learned from these labels, and would be right beyond its worth."""
    before, after, _ = kept(fitted, BY_BOTH, trial(fitted, network=False))
    assert np.array_equal(after, before, equal_nan=True)
