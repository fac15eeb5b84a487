"""What a model answers with: fitted to visible labels alone, chosen on records kept for it."""

import numpy as np
import pytest
import torch

from components.features.halves import halves
from components.features.store import Features
from components.model import network as models
from components.model.inference import infer
from components.model.network import Mix
from components.model.subsets import subsets
from components.parts.heads import prototype
from components.training.answering import choose_mix, fit_committee
from components.training.committee import Labelled, crossfit
from components.training.light import light_views, put_into, ways
from components.training.run import run
from tests.components.pods.pods import teach_spec
from tests.synthetic import OPTIONS, records, write_features


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("answering")
    write_features(home / "features", records(300, labelled=0.3))
    (home / "teacher").mkdir()
    run(teach_spec(home / "features"), out=home / "teacher")
    return home


@pytest.fixture
def data(home):
    return Features.load(home / "features")


@pytest.fixture
def model(home):
    return models.load(home / "teacher")


@pytest.fixture(scope="module")
def fitted(home):
    model, data = models.load(home / "teacher"), Features.load(home / "features")
    fit_committee(model, data, 0)
    model.mix = Mix(network=0.0, committee=1.0)
    return model


def committee_of(model):
    state = model.state_dict()
    return torch.cat([state[name].ravel() for name in state if name.startswith("committee.")])


def test_labels_of_validation_and_test_records_do_not_reach_the_committee(model, data, fitted):
    held = data.splits != "train"
    data.labels[held] = (data.labels[held] + 1) % len(data.classes)
    fit_committee(model, data, 0)
    assert torch.equal(committee_of(model), committee_of(fitted))


def test_visible_labels_do_reach_it(model, data, fitted):
    seen = data.rows("train", labelled=True)
    data.labels[seen] = (data.labels[seen] + 1) % len(data.classes)
    fit_committee(model, data, 0)
    assert not torch.equal(committee_of(model), committee_of(fitted))


def test_every_subset_is_answered_by_the_views_that_it_has(fitted, data):
    rows = np.flatnonzero(data.present.all(axis=1))[:20]
    answers = {
        subset: infer(fitted, data.views(), data.present, rows, subset).logits
        for subset in subsets(data.names)
    }
    constant = fitted.committee.constant.numpy()
    facts, text = answers[("facts",)], answers[("text",)]
    assert np.allclose(facts + text - constant, answers[("facts", "text")], atol=1e-4)
    assert np.isfinite(np.concatenate(list(answers.values()))).all()


def test_a_saved_model_answers_as_before(fitted, data, tmp_path):
    models.save(fitted, tmp_path)
    again = models.load(tmp_path)
    assert again.mix == fitted.mix
    both = [infer(m, data.views(), data.present).logits for m in (fitted, again)]
    assert np.array_equal(*both, equal_nan=True)


def test_without_records_that_choose_the_committee_answers(fitted, data):
    data.labels[data.splits == "val"] = -1
    assert choose_mix(fitted, data)["chosen"] == "committee"
    assert fitted.mix == Mix(network=0.0, committee=1.0)


def test_test_records_and_those_that_tune_do_not_choose(fitted, data):
    choice = choose_mix(fitted, data)
    data.labels[data.splits == "test"] = 0
    assert choose_mix(fitted, data) == choice


def test_the_network_answers_where_the_records_that_choose_speak_for_it(model, data):
    fit_committee(model, data, 0)
    choose = halves(data).choose
    # A committee that is sure of the wrong class.
    model.committee.constant += 100 * torch.eye(len(data.classes))[0]
    data.labels[choose] = np.maximum(data.labels[choose], 1)
    assert choose_mix(model, data)["chosen"] != "committee"


def test_a_sparse_view_is_answered_by_what_was_fitted_to_its_reduction(tmp_path, monkeypatch):
    monkeypatch.setitem(OPTIONS["text"], "encoders", ["hashing", "ngrams"])
    write_features(tmp_path / "features", records(200, labelled=0.4), names=("facts", "text"))
    (tmp_path / "teacher").mkdir()
    run(teach_spec(tmp_path / "features"), out=tmp_path / "teacher")
    model, data = models.load(tmp_path / "teacher"), Features.load(tmp_path / "features")
    made = ways(model, data)
    views = light_views(model, data, made)
    labels = data.labels[data.rows("train", labelled=True)]
    labelled = Labelled(
        rows=data.rows("train", labelled=True),
        targets=np.eye(len(data.classes))[labels],
        folds=np.arange(len(labels)) % 3,
        activation="softmax",
    )
    committee = crossfit(views, labelled, {"prototype": prototype.build(prototype.Config())})
    put_into(model, made, committee)
    model.mix = Mix(network=0.0, committee=1.0)
    models.save(model, tmp_path / "saved")
    has = np.flatnonzero(data.present.any(axis=1))
    for each in (model, models.load(tmp_path / "saved")):
        found = infer(each, data.arrays, data.present, has).logits
        assert np.allclose(found, committee.logits(views, rows=has), atol=1e-3)
    assert np.abs(committee.maps["text/ngrams"].weight).max() > 0
