"""What a committee is fitted to, and what it answers from."""

import numpy as np
import pytest

from components.features.store import Features
from components.model import network as models
from components.model.inference import infer
from components.model.network import Mix
from components.model.subsets import subsets
from components.parts.heads import logistic, prototype
from components.training import taught
from components.training.committee import Labelled, crossfit
from components.training.light import light_views, put_into, ways
from components.training.taught import Taught
from components.training.teaching import teach, teach_committee, untrained
from tests import learned
from tests.learned import MODEL
from tests.synthetic import OPTIONS, records, write_features


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("teaching")
    write_features(home / "features", records(300, labelled=0.3))
    return home


@pytest.fixture
def data(home):
    return Features.load(home / "features")


@pytest.fixture(scope="module")
def fitted(home):
    return models.load(learned.teach(home / "features", home / "teacher"))


def constants(data):
    """What is fitted to a data set, as one array."""
    model = untrained(data, MODEL, learned.spec(data.path, "train").training, None)
    found = teach_committee(model, data, 0)
    assert isinstance(found, Taught)
    return np.concatenate(
        [found.committee.constant.ravel()]
        + [linear.weight.ravel() for linear in found.committee.maps.values()]
    )


def test_labels_of_validation_and_test_records_do_not_reach_the_committee(data):
    before, held = constants(data), data.splits != "train"
    data.labels[held] = (data.labels[held] + 1) % len(data.classes)
    assert np.array_equal(constants(data), before)


def test_visible_labels_do_reach_it(data):
    before, seen = constants(data), data.rows("train", labelled=True)
    data.labels[seen] = (data.labels[seen] + 1) % len(data.classes)
    assert not np.array_equal(constants(data), before)


def test_a_committee_on_disk_is_the_same(home, tmp_path):
    found = taught.load(learned.teach(home / "features", home / "again"))
    taught.save(found, tmp_path)
    again = taught.load(tmp_path)
    assert again.committee.members == found.committee.members
    assert np.array_equal(again.labelled.folds, found.labelled.folds)
    for view, linear in found.committee.maps.items():
        assert np.array_equal(again.committee.maps[view].weight, linear.weight)
        assert vars(again.made[view]).keys() == vars(found.made[view]).keys()


def test_one_labelled_record_makes_no_committee_and_says_so(data):
    model = untrained(data, MODEL, learned.spec(data.path, "train").training, None)
    data.labels[data.rows("train", labelled=True)[1:]] = -1
    assert "two folds" in str(teach_committee(model, data, 0))


def test_a_head_that_is_left_out_for_size_is_told_and_kept(home, tmp_path, monkeypatch):
    monkeypatch.setattr(logistic, "_CELLS", 1.0)
    said: list[str] = []
    teach(
        features=home / "features",
        model=MODEL,
        training=learned.spec(home / "features", "train").training,
        base=None,
        out=tmp_path,
        say=said.append,
    )
    (words,) = said
    assert "without logistic on " in words
    assert "4 classes" in words
    found = taught.load(tmp_path)
    assert found is not None
    assert {head for head, _ in found.committee.left_out} == {"logistic"}
    assert {member.head for member in found.committee.members} == {"gda"}


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


def test_a_sparse_view_is_answered_by_what_was_fitted_to_its_reduction(tmp_path, monkeypatch):
    monkeypatch.setitem(OPTIONS["text"], "encoders", ["hashing", "ngrams"])
    write_features(tmp_path / "features", records(200, labelled=0.4), names=("facts", "text"))
    data = Features.load(tmp_path / "features")
    model = untrained(data, MODEL, learned.spec(data.path, "train").training, None)
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
