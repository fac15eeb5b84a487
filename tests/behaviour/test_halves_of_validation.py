"""What is fitted to validation labels is fitted to others than those that choose between models."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from components.config.run import Part
from components.core.refs import Ref
from components.evaluation.answers import Encoded, HeldOut, subset_answers
from components.features.halves import halves
from components.features.store import Features
from components.model import network as models
from components.training.pseudo_label import pseudo_label
from components.training.spec import TrainSpec
from components.training.tasks import Trainer


def poisoned(features, rows, folder):
    """The same features with another class for each of these records."""
    shutil.copytree(features.path, folder)
    labels = features.labels.copy()
    labels[rows] = (labels[rows] + 1) % len(features.classes)
    np.save(folder / "labels.npy", labels)
    return folder


def made(run, features, out):
    out.mkdir()
    pseudo_label(
        features=features, teacher=run.root / "teacher", labeller=Part(name="fixed"), base=None,
        out=out,
    )  # fmt: skip
    return [(out / name).read_bytes() for name in ("pseudo.parquet", "summary.json")]


def temperatures(run, folder):
    held_out = HeldOut.of(Features.load(folder))
    model = Encoded.of(models.load(run.root / "train" / "model"), held_out)
    return {a.key: a.temperature for a in subset_answers(model, held_out)}


def test_labels_that_choose_shape_neither_pseudo_labels_nor_a_calibration(run, tmp_path):
    """Oracle: the same records with wrong labels in one half, byte for byte."""
    found = halves(run.features)
    assert len(found.choose) > 10
    other = poisoned(run.features, found.choose, tmp_path / "choose")
    before = made(run, run.features.path, tmp_path / "a")
    assert made(run, other, tmp_path / "b") == before
    assert temperatures(run, other) == temperatures(run, run.features.path)
    tuned = poisoned(run.features, found.tune, tmp_path / "tune")
    assert made(run, tuned, tmp_path / "c") != before  # else the test above says nothing
    assert temperatures(run, tuned) != temperatures(run, run.features.path)


def test_labels_of_test_records_calibrate_nothing_and_make_no_baseline(run, tmp_path):
    rows = run.features.rows("test", labelled=True)
    other = poisoned(run.features, rows, tmp_path / "test")
    assert made(run, other, tmp_path / "a") == made(run, run.features.path, tmp_path / "b")
    assert temperatures(run, other) == temperatures(run, run.features.path)
    known = run.features.labels[run.features.rows("train", labelled=True)]
    majority = np.bincount(known).argmax()
    for folder in (run.features.path, other):
        assert set(HeldOut.of(Features.load(folder)).majority.tolist()) == {majority}


def test_labels_that_tune_choose_no_model(run, tmp_path):
    held_out = HeldOut.of(run.features)
    assert not (held_out.selected & held_out.tuned).any()
    assert not (held_out.test & (held_out.selected | held_out.tuned)).any()
    found = halves(run.features)
    assert {*found.tune, *found.choose} == {*run.features.rows("val", labelled=True)}
    groups = run.features.groups
    assert not {groups[r] for r in found.tune} & {groups[r] for r in found.choose}
    spec = TrainSpec(task="train", features=Ref(uri="unread", digest=""), losses={"info_nce": {}})
    model = models.load(run.root / "teacher")
    figures = [
        Trainer(spec=spec, features=Features.load(folder)).figure(model)
        for folder in (run.features.path, poisoned(run.features, found.tune, tmp_path / "tune"))
    ]
    assert figures[0] == figures[1] is not None


@pytest.mark.parametrize("groups", [0, 1, 2, 3, 7])
def test_halves_of_few_records_differ_by_one_group_at_most(groups):
    few = SimpleNamespace(
        groups=[f"g{i}" for i in range(groups)], rows=lambda *_, **__: np.arange(groups)
    )
    found = halves(few)
    assert len(found.choose) - len(found.tune) == groups % 2
