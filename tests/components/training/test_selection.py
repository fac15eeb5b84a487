"""What answers and how it is calibrated: by records that were held out, and by them alone."""

from types import SimpleNamespace

import numpy as np
import pytest

from components.config.run import ModelConfig, TrainingConfig
from components.features.halves import halves
from components.features.store import Features
from components.model.description import BY_BOTH, BY_COMMITTEE, Mix
from components.model.inference import infer
from components.training.selection import Trial, calibration, choose, of_model
from components.training.teaching import untrained
from tests.synthetic import records, write_features


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("selection") / "features"
    return write_features(folder, records(400, labelled=0.5))


@pytest.fixture
def rows(data):
    found = data.rows("train", labelled=True)
    return found[data.present[found].all(axis=1)]


def sure(data, rows, strength, wrong=0):
    """Logits that say the labels, those of every ``wrong``-th record excepted."""
    codes = data.labels[rows].copy()
    if wrong:
        codes[::wrong] = (codes[::wrong] + 1) % len(data.classes)
    logits = strength * np.eye(len(data.classes))[codes]
    return lambda names: logits  # noqa: ARG005 - the same from any modalities


def test_the_better_of_two_answers(data, rows):
    good, bad = sure(data, rows, 3.0, wrong=9), sure(data, rows, 3.0, wrong=2)
    mix, found = choose(Trial(rows=rows, committee=good, network=bad), data)
    assert (found["kept"], mix) == ("committee", Mix(network=0.0, committee=1.0))
    mix, found = choose(Trial(rows=rows, committee=bad, network=good), data)
    assert found["kept"] != "committee"
    assert mix.network > 0


def test_a_network_that_no_record_judges_has_the_share_that_was_asked_for(data, rows):
    trial = Trial(rows=rows, committee=sure(data, rows, 1.0))
    assert choose(trial, data)[0] == BY_COMMITTEE
    mix, found = choose(trial, data, BY_BOTH)
    assert (mix, found["kept"], found["records"]) == (BY_BOTH, "mix", 0)


def test_a_tie_keeps_both(data, rows):
    one = sure(data, rows, 1.0)
    zero = lambda names: 0 * one(names)  # noqa: E731
    _, found = choose(Trial(rows=rows, committee=zero, network=zero), data)
    assert found["kept"] == "mix"


def test_records_that_tune_a_temperature_do_not_choose(data, rows):
    good, bad = sure(data, rows, 3.0, wrong=9), sure(data, rows, 3.0, wrong=2)
    trial = Trial(rows=rows, committee=good, network=bad)
    before = choose(trial, data)[1]["losses"]["committee"]
    labels = data.labels.copy()
    tune = halves(data, rows).tune
    labels[tune] = (labels[tune] + 1) % len(data.classes)
    other = Features(**{**vars(data), "labels": labels})
    assert choose(trial, other)[1]["losses"]["committee"] == before


def test_the_network_has_the_temperature_of_the_half_that_tunes(data, rows):
    network = sure(data, rows, 8.0, wrong=3)
    trial = Trial(rows=rows, committee=lambda names: 0 * network(names), network=network)
    mix, found = choose(trial, data)
    half = np.isin(rows, halves(data, rows).tune)
    wanted = data.target.calibrate(network(())[half], data.labels[rows][half])
    assert found["kept"] in ("mix", "student")
    assert mix.network == pytest.approx((0.5 if mix.committee else 1.0) / wanted)


def test_a_subset_is_calibrated_on_records_that_have_all_of_it(data):
    rows = data.rows("train", labelled=True)
    answers = sure(data, rows, 5.0, wrong=4)
    trial = Trial(rows=rows, committee=answers)
    found = calibration(trial, Mix(network=0.0, committee=1.0), data)
    assert len(found) == 7 + 1  # and that of all other subsets
    whole = data.target.calibrate(answers(()), data.labels[rows])
    assert found["*"] == whole
    has = data.present[rows, data.names.index("text")]
    own = data.target.calibrate(answers(())[has], data.labels[rows][has])
    weights = [has.sum(), 10]
    assert found["text"] == pytest.approx(np.exp(np.average(np.log([own, whole]), weights=weights)))


def test_a_subset_that_tells_nothing_is_no_surer_than_all_records(data):
    rows = data.rows("train", labelled=True)
    whole, guess = sure(data, rows, 0.5, wrong=4)(()), 1e-6 * sure(data, rows, 1.0)(())
    trial = Trial(rows=rows, committee=lambda names: guess if tuple(names) == ("text",) else whole)
    found = calibration(trial, BY_COMMITTEE, data)
    assert found["*"] < 1
    assert found["text"] == pytest.approx(found["*"])


def test_what_nobody_answers_is_not_calibrated(data, rows):
    assert calibration(Trial(rows=rows), Mix(), data) == {}


@pytest.mark.parametrize("groups", [0, 1, 2, 3, 7])
def test_halves_of_few_records_differ_by_one_group_at_most(groups):
    few = SimpleNamespace(groups=[f"g{i}" for i in range(groups)])
    found = halves(few, np.arange(groups))
    assert len(found.choose) - len(found.tune) == groups % 2


def test_a_group_is_in_one_half_alone(data, rows):
    found = halves(data, rows)
    assert {*found.tune, *found.choose} == {*rows}
    groups = data.groups
    assert not {groups[r] for r in found.tune} & {groups[r] for r in found.choose}


def test_a_model_that_knows_one_modality_reads_that_column(data):
    model = untrained(data, ModelConfig(dim=8), TrainingConfig(), None, ["image"])
    column = data.names.index("image")
    rows = np.arange(len(data.ids))
    wanted = infer(model, data.arrays, data.present[:, [column]], rows).logits
    answers = of_model(model, Mix(), data, rows)(["image"])
    assert column > 0
    assert np.array_equal(answers, np.nan_to_num(wanted))
    assert np.array_equal(answers.any(axis=1), data.present[:, column])
