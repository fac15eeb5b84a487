"""What a committee is fitted to, and what it answers from."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from components.config.run import Part
from components.features.store import Features
from components.model import storage
from components.model.description import Mix
from components.model.inference import infer
from components.model.subsets import subsets
from components.parts.heads import logistic, prototype
from components.training import taught
from components.training.labelled import Labelled
from components.training.light import Fixed, light_views, put_into, ways
from components.training.members import crossfit
from components.training.taught import Taught
from components.training.teaching import in_folds, teach, teach_committee, untrained
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
    return storage.load(learned.teach(home / "features", home / "teacher"))


def constants(data):
    """What is fitted to a data set, as one array."""
    model = untrained(data, MODEL, learned.spec(data.path, "train").training, None)
    found = teach_committee(model, data, 0)
    assert isinstance(found, Taught)
    parts = [seat.maps for seat in found.committee.seats.values()]
    return np.concatenate(
        [maps.constant.ravel() for maps in parts]
        + [linear.weight.ravel() for maps in parts for linear in maps.of.values()]
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
    assert np.array_equal(again.labelled.folds, found.labelled.folds)
    assert list(again.committee.seats) == list(found.committee.seats)
    for key, seat in found.committee.seats.items():
        assert again.committee.seats[key].members == seat.members
        for view, linear in seat.maps.of.items():
            assert np.array_equal(again.committee.seats[key].maps.of[view].weight, linear.weight)
    for view, made in found.made.items():
        read = again.made[view]
        assert isinstance(made, Fixed)
        assert isinstance(read, Fixed)
        for name, wanted in vars(made).items():
            assert np.array_equal(vars(read)[name], wanted)


def test_a_committee_on_disk_has_class_numbers_and_no_maps_without_weight(home, tmp_path):
    found = taught.load(learned.teach(home / "features", home / "short"))
    maps = found.committee.seats["*"].maps
    linear = maps.of["facts/fields"]
    linear.weight[:] = linear.bias[:] = 0
    taught.save(found, tmp_path)
    stored, again = load_file(tmp_path / taught.TENSORS), taught.load(tmp_path)
    assert stored["labelled/codes"].numel() == len(found.labelled.rows)
    assert "seat/*/text/hashing/weight" in stored
    assert "seat/*/facts/fields/weight" not in stored
    assert np.array_equal(again.labelled.targets, found.labelled.targets)
    read = again.committee.seats["*"].maps.of["facts/fields"]
    assert np.array_equal(read.weight, linear.weight)
    several = replace(found.labelled, targets=found.labelled.targets * 0.5)
    taught.save(replace(found, labelled=several), tmp_path)
    assert np.array_equal(taught.load(tmp_path).labelled.targets, several.targets)


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
    heads = {m.head for seat in found.committee.seats.values() for m in seat.members}
    assert heads == {"gda"}


def test_every_subset_is_answered_as_by_the_committee_that_was_fitted(home, fitted, data):
    found = taught.load(learned.teach(home / "features", home / "seats"))
    views = light_views(fitted, data, found.made)
    rows = np.flatnonzero(data.present.any(axis=1))
    for subset in subsets(data.names):
        wanted = found.committee.logits(views.of(subset), rows=rows)
        answers = infer(fitted, data.views(), data.present, rows, subset)
        has = ~np.isnan(answers.logits).any(axis=1)
        assert has.any()
        assert np.allclose(answers.logits[has], wanted[has], atol=1e-4)
        if len(subset) == 1:
            assert np.allclose(answers.modality_logits[subset[0]][has], wanted[has], atol=1e-4)


def test_a_model_without_seats_is_read_as_one_that_has_a_single_one(home, data, tmp_path):
    """Format 3 had one sum for all records."""
    features = learned.teach(home / "features", home / "single")
    model = storage.load(features)
    for part in (model.committee, *model.committee.views.values()):
        for name in ("patterns", "constant", "weight", "bias"):
            if (values := getattr(part, name, None)) is not None:
                axis = 1 if name == "weight" else 0
                setattr(part, name, values.narrow(axis, values.shape[axis] - 1, 1).clone())
    for view in model.committee.views.values():
        view.seats = torch.zeros(1, dtype=torch.int64)
    wanted = infer(model, data.views(), data.present).logits
    storage.save(model, tmp_path)
    weights = load_file(tmp_path / "weights.safetensors")
    old = {
        name: values.squeeze(1 if name.endswith("weight") else 0)
        if name.startswith("committee.")
        and name.rsplit(".", 1)[1] in ("weight", "bias", "constant")
        else values
        for name, values in weights.items()
        if name != "committee.patterns" and not name.endswith((".seats", ".basis"))
    }
    save_file(
        {name: values.contiguous() for name, values in old.items()},
        tmp_path / "weights.safetensors",
    )
    about = json.loads((tmp_path / "model.json").read_text()) | {"format": 3}
    (tmp_path / "model.json").write_text(json.dumps(about))
    again = infer(storage.load(tmp_path), data.views(), data.present).logits
    assert np.array_equal(again, wanted, equal_nan=True)


def test_a_model_with_a_map_for_every_seat_is_read(fitted, data, tmp_path):
    """Format 4 had zeros where a seat does not read a view."""
    storage.save(fitted, tmp_path)
    weights = load_file(tmp_path / "weights.safetensors")
    for stem in [name.removesuffix(".seats") for name in weights if name.endswith(".seats")]:
        own, seats = weights.pop(f"{stem}.weight"), weights.pop(f"{stem}.seats")
        assert not weights.pop(f"{stem}.basis").numel()
        every = torch.zeros(len(own), len(weights[f"{stem}.bias"]), own.shape[2])
        every[:, seats] = own
        assert own.numel() < every.numel()
        weights[f"{stem}.weight"] = every
    save_file(weights, tmp_path / "weights.safetensors")
    about = json.loads((tmp_path / "model.json").read_text()) | {"format": 4}
    (tmp_path / "model.json").write_text(json.dumps(about))
    both = [infer(m, data.views(), data.present).logits for m in (fitted, storage.load(tmp_path))]
    assert np.allclose(*both, atol=1e-5, equal_nan=True)


def test_a_saved_model_answers_as_before(fitted, data, tmp_path):
    storage.save(fitted, tmp_path)
    again = storage.load(tmp_path)
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
    storage.save(model, tmp_path / "saved")
    has = np.flatnonzero(data.present.any(axis=1))
    for each in (model, storage.load(tmp_path / "saved")):
        found = infer(each, data.arrays, data.present, has).logits
        assert np.allclose(found, committee.logits(views, rows=has), atol=1e-3)
    assert np.abs(committee.widest.maps.of["text/ngrams"].weight).max() > 0


def test_a_modality_that_few_labelled_records_have_is_read_in_the_seats_that_can(
    tmp_path, monkeypatch
):
    """Of many modalities the seat of the rest does without it: one view alone is in no two fits."""
    monkeypatch.setattr("components.training.committee._EVERY", 1)
    source = records(150, labelled=0.6)
    labelled = [i for i, label in enumerate(source.label) if label and source.splits[i] == "train"]
    for row in labelled[1:]:
        source.raws["text"][row] = None
    data = write_features(tmp_path / "features", source, names=("facts", "text"))
    model = untrained(data, MODEL, learned.spec(data.path, "train").training, None)
    found = teach_committee(model, data, 0)
    assert "text/hashing" not in found.committee.seats["*"].maps.of
    put_into(model, found.made, found.committee)
    model.mix = Mix(network=0.0, committee=1.0)
    views = light_views(model, data, found.made)
    has = np.flatnonzero(data.present.any(axis=1))
    told = infer(model, data.arrays, data.present, has).logits
    assert np.allclose(told, found.committee.logits(views, rows=has), atol=1e-3)


def test_the_heads_are_those_of_the_configuration(home):
    data = Features.load(home / "features")
    chosen = MODEL.model_copy(update={"heads": [Part(name="prototype")]})
    model = untrained(data, chosen, learned.spec(data.path, "train").training, None)
    found = teach_committee(model, data, 0)
    assert isinstance(found, Taught)
    members = [member for seat in found.committee.seats.values() for member in seat.members]
    assert {member.head for member in members} == {"prototype"}


def few(tmp_path, shared):
    """A set of which eight records have labels; ``shared`` of its 300 have one text's content."""
    write_features(tmp_path / "features", records(300, labelled=1.0))
    data = Features.load(tmp_path / "features")
    rows = data.rows("train", labelled=True)
    hidden = np.setdiff1d(rows, [row for c in range(4) for row in rows[data.labels[rows] == c][:2]])
    data.labels[hidden] = -1
    text = data.names.index("text")
    data.present[:, text] = True
    kept = data.rows("train", labelled=True)
    data.contents[np.concatenate([kept, np.setdiff1d(np.arange(300), kept)])[:shared], text] = 1
    return data


def test_few_labelled_records_with_a_content_of_all_records_still_make_folds(tmp_path):
    data = few(tmp_path, 300)
    kept = data.rows("train", labelled=True)
    assert len(np.unique(in_folds(data, kept, 0))) > 1


def test_few_labelled_records_that_are_copies_share_a_fold(tmp_path):
    data = few(tmp_path, 4)
    folds = in_folds(data, data.rows("train", labelled=True), 0)
    assert len(np.unique(folds[:4])) == 1
    assert len(np.unique(folds)) > 1
