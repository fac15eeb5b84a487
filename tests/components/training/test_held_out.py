"""What the train step tells of held-out records, beside what the committee's folder tells."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import log_softmax

from components.core.files import read_json
from components.features.store import Features
from components.model import storage
from components.model.description import Mix
from components.training import taught
from components.training.held_out import (
    HELD_OUT,
    HeldOut,
    everything_held_out,
    of_committee,
)
from components.training.light import light_views
from components.training.selection import calibration, held_out_by_folds
from tests import learned
from tests.synthetic import records, write_features


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    root = tmp_path_factory.mktemp("held-out")
    write_features(root / "features", records(160, labelled=0.5))
    return learned.learn(root / "features", root)


def test_losses_are_those_of_fits_that_did_not_see_the_record(places):
    told = HeldOut.read(places / "train" / HELD_OUT)
    data, folder = Features.load(places / "features"), places / "pseudo" / "committee"
    found = taught.load(folder)
    views = light_views(storage.load(folder), data, found.made, found.labelled.rows)
    logits = held_out_by_folds(found, views)(data.names)
    codes = found.labelled.targets.argmax(axis=1)
    expected = -log_softmax(logits.astype(float), axis=1)[np.arange(len(codes)), codes]
    assert told.ids == [data.ids[row] for row in found.labelled.rows]
    assert np.allclose(told.losses, expected, atol=1e-5)
    assert told.figures["accuracy"] == pytest.approx(np.mean(logits.argmax(axis=1) == codes))


def test_the_committees_folder_tells_the_same_where_no_network_is_judged(places):
    assert read_json(places / "train" / "selection.json")["losses"] == {}
    told, judges = of_committee(places / "features", places / "pseudo" / "committee")
    assert np.array_equal(told.losses, HeldOut.read(places / "train" / HELD_OUT).losses)
    assert not judges


def test_records_that_are_alone_in_their_class_tell_nothing(places):
    data, folder = Features.load(places / "features"), places / "pseudo" / "committee"
    found = taught.load(folder)
    first = np.unique(found.labelled.targets.argmax(axis=1), return_index=True)[1]
    labelled = replace(
        found.labelled,
        rows=found.labelled.rows[first],
        targets=found.labelled.targets[first],
        folds=np.arange(len(first)) % 2,
    )
    views = light_views(storage.load(folder), data, found.made, labelled.rows)
    trial = everything_held_out(replace(found, labelled=labelled), views)
    assert not len(trial.rows)
    assert calibration(trial, Mix(network=0.0, committee=1.0), data) == {}


def test_where_the_network_answers_the_half_that_chose_is_told(tmp_path):
    write_features(tmp_path / "features", records(700, labelled=0.8))
    learned.train(tmp_path / "features", None, tmp_path / "train")
    told = HeldOut.read(tmp_path / "train" / HELD_OUT)
    data = Features.load(tmp_path / "features")
    known = {data.ids[row] for row in data.rows("train", labelled=True)}
    assert 25 <= len(told.ids) < len(known) / 4
    assert set(told.ids) < known
