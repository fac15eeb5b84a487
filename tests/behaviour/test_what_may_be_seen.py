"""What learns and what chooses never sees what judges it: the steps with other test records.

The oracle is the same run on features whose test records have garbage in the place of their labels
or of their inputs: models, pseudo-labels and choices must be equal byte for byte.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest

from components.config.run import Part
from components.core.refs import digest_file, digest_folder
from components.features.store import Features
from components.training.pseudo_label import read_pseudo
from tests import learned
from tests.synthetic import records, write_features

WRITTEN = ("teacher", "pseudo", "train")


@pytest.fixture(scope="module")
def features(tmp_path_factory) -> Features:
    return write_features(tmp_path_factory.mktemp("seen") / "features", records(160, labelled=0.3))


@pytest.fixture(scope="module")
def root(features, tmp_path_factory) -> Path:
    return learned.learn(features.path, tmp_path_factory.mktemp("learned"))


def digests(root: Path) -> list[str]:
    """Of what teach, pseudo-label and train wrote."""
    return [digest_folder(root / name) for name in WRITTEN]


def changed(features: Features, folder: Path, split: str, *, labels: bool) -> Path:
    """A copy in which each record of a split has another label, or another record's inputs."""
    shutil.copytree(features.path, folder)
    rows = features.rows(split)
    if labels:
        codes = features.labels.copy()
        codes[rows] = (codes[rows] + 1) % len(features.classes)
        np.save(folder / "labels.npy", codes)
        return folder
    for view, array in features.arrays.items():
        other = np.array(array)
        other[rows] = other[rows[::-1]]
        np.save(folder / f"{view}.npy", other)
    return folder


@pytest.mark.parametrize("labels", [True, False])
@pytest.mark.parametrize("split", ["test", "val"])
def test_nothing_that_learns_or_chooses_sees_what_is_held_out(
    features, root, tmp_path, split, labels
):
    other = changed(features, tmp_path / "features", split, labels=labels)
    assert digests(learned.learn(other, tmp_path)) == digests(root)


def test_validation_labels_choose_where_the_run_says_so_and_do_not_teach(tmp_path):
    root = tmp_path / "root"
    features = write_features(root / "features", records(300))
    assert len(features.rows("val", labelled=True)) >= 50, "fewer choose nothing"
    learned.label(root / "features", learned.teach(root / "features", root / "t"), root / "pseudo")
    other = changed(features, tmp_path / "features", "val", labels=True)
    found = [
        learned.train(place, root / "pseudo", tmp_path / name, selection="validation")
        for name, place in (("one", features.path), ("two", other))
    ]
    students = [digest_file(out / "student" / "weights.safetensors") for out in found]
    assert students[0] == students[1]
    calibrations = [(out / "calibration.json").read_bytes() for out in found]
    assert calibrations[0] != calibrations[1], "else the test above would say nothing"


def test_refused_pseudo_labels_are_not_learned(features, root, tmp_path):
    strict = Part.model_validate({"name": "fixed", "threshold": 0.999, "floor": 0.999})
    pseudo = learned.label(features.path, root / "teacher", tmp_path / "pseudo", strict)
    found = read_pseudo(pseudo)
    assert found is not None
    assert found.ids == []


def student(features, root, **training):
    """Digest of the student's weights after a few steps."""
    out = root / f"train-{len([*root.iterdir()])}"
    learned.train(features, root / "pseudo", out, **training)
    return digest_file(out / "student" / "weights.safetensors")


def test_records_without_any_label_are_seen_by_the_losses_that_need_none(features, tmp_path):
    few = Part.model_validate({"name": "soft", "floor": 0.8})
    learned.learn(features.path, tmp_path, labeller=few)
    accepted = read_pseudo(tmp_path / "pseudo").ids
    rows = [r for r in features.rows("train", labelled=False) if features.ids[r] not in accepted]
    assert len(rows) > 2
    shutil.copytree(features.path, tmp_path / "features")
    words = np.array(features.arrays["text/hashing"])
    words[rows] = words[rows[::-1]]
    np.save(tmp_path / "features" / "text" / "hashing.npy", words)
    assert student(tmp_path / "features", tmp_path) != student(features.path, tmp_path)


def test_modalities_are_hidden_in_training(features, tmp_path):
    learned.learn(features.path, tmp_path)
    weights = {student(features.path, tmp_path, modality_dropout=p) for p in (0.0, 0.9)}
    assert len(weights) == 2
