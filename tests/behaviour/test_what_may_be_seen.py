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
from components.training.pseudo_label import pseudo_label
from components.training.run import run
from components.training.tasks import read_pseudo
from tests.components.pods.pods import ref, teach_spec
from tests.synthetic import records, write_features

SHORT = {"epochs": 2, "teacher_epochs": 2}
LABELLER = Part.model_validate({"name": "fixed", "threshold": 0.6})


@pytest.fixture(scope="module")
def features(tmp_path_factory) -> Features:
    return write_features(tmp_path_factory.mktemp("seen") / "features", records(160, labelled=0.3))


@pytest.fixture(scope="module")
def learned(features, tmp_path_factory) -> dict[str, str]:
    return learn(features.path, tmp_path_factory.mktemp("learned"))


def learn(features: Path, root: Path) -> dict[str, str]:
    """Digests of what teach, pseudo-label and train wrote, and of the teacher's weights."""
    for name in ("teacher", "pseudo", "train"):
        (root / name).mkdir()
    run(teach_spec(features, training=SHORT), out=root / "teacher")
    pseudo_label(
        features=features, teacher=root / "teacher", labeller=LABELLER, base=None,
        out=root / "pseudo",
    )  # fmt: skip
    given = {name: ref(root / name) for name in ("teacher", "pseudo")}
    run(teach_spec(features, task="train", training=SHORT, **given), out=root / "train")
    wrote = {name: digest_folder(root / name) for name in ("teacher", "pseudo", "train")}
    return {**wrote, "weights": digest_file(root / "teacher" / "weights.safetensors")}


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
def test_nothing_that_learns_or_chooses_sees_the_test_split(features, learned, tmp_path, labels):
    other = changed(features, tmp_path / "features", "test", labels=labels)
    assert learn(other, tmp_path) == learned


def test_validation_labels_choose_and_do_not_teach(features, learned, tmp_path):
    other = changed(features, tmp_path / "features", "val", labels=True)
    again = learn(other, tmp_path)
    assert again["weights"] == learned["weights"]
    assert again["train"] != learned["train"], "else the test above would say nothing"


def test_validation_inputs_do_not_shape_statistics(features, learned, tmp_path):
    other = changed(features, tmp_path / "features", "val", labels=False)
    (tmp_path / "teacher").mkdir()
    run(teach_spec(other, training=SHORT), out=tmp_path / "teacher")
    weights = tmp_path / "teacher" / "weights.safetensors"
    assert digest_file(weights) == learned["weights"]


def test_refused_pseudo_labels_are_not_learned(features, tmp_path):
    (tmp_path / "teacher").mkdir()
    run(teach_spec(features.path, training={"teacher_epochs": 1}), out=tmp_path / "teacher")
    strict = Part.model_validate({"name": "fixed", "threshold": 0.999, "floor": 0.999})
    (tmp_path / "pseudo").mkdir()
    pseudo_label(
        features=features.path, teacher=tmp_path / "teacher", labeller=strict, base=None,
        out=tmp_path / "pseudo",
    )  # fmt: skip
    assert read_pseudo(tmp_path / "pseudo") == {}


def student(features, root, **training):
    """Digest of the student's weights after a few steps."""
    given = {name: ref(root / name) for name in ("teacher", "pseudo")}
    spec = teach_spec(features, task="train", training=SHORT | training, **given)
    out = root / f"train-{len([*root.iterdir()])}"
    out.mkdir()
    run(spec, out=out)
    return digest_file(out / "student" / "weights.safetensors")


def test_records_without_any_label_are_seen_by_the_losses_that_need_none(features, tmp_path):
    learn(features.path, tmp_path)
    accepted = read_pseudo(tmp_path / "pseudo")
    rows = [r for r in features.rows("train", labelled=False) if features.ids[r] not in accepted]
    assert len(rows) > 2
    shutil.copytree(features.path, tmp_path / "features")
    words = np.array(features.arrays["text/hashing"])
    words[rows] = words[rows[::-1]]
    np.save(tmp_path / "features" / "text" / "hashing.npy", words)
    assert student(tmp_path / "features", tmp_path) != student(features.path, tmp_path)


def test_modalities_are_hidden_in_training(features, tmp_path):
    learn(features.path, tmp_path)
    weights = {student(features.path, tmp_path, modality_dropout=p) for p in (0.0, 0.9)}
    assert len(weights) == 2
