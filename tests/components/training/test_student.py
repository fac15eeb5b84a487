"""Encoders that are trained in the run are kept where held-out records ask for them."""

import numpy as np
import pytest

from components.core.files import read_json
from components.features.store import Features
from components.model import storage
from components.training.rehearsal import learned_views
from components.training.student import seen_by_student
from tests import learned, synthetic
from tests.synthetic import records, write_features

BOTH = {"encoders": [*synthetic.OPTIONS["image"]["encoders"], {"name": "lite"}]}


def pictures(root, monkeypatch, count, *, blind=False):
    """Pictures through a trained and a frozen encoder; a blind frozen one sees nothing."""
    monkeypatch.setitem(synthetic.OPTIONS, "image", BOTH)
    source = records(count, labelled=0.9, noise=0.0, missing=0.0)
    features = write_features(root / "features", source, names=("image",))
    if blind:
        fixed = np.lib.format.open_memmap(next((root / "features/image").glob("lite*")), "r+")
        fixed[:] = 0
        fixed.flush()
    return features


@pytest.mark.parametrize("by", ["folds", "validation"])
def test_a_trained_encoder_is_kept_where_it_tells_more(tmp_path, monkeypatch, by):
    pictures(tmp_path, monkeypatch, 520, blind=True)
    root = learned.learn(tmp_path / "features", tmp_path, epochs=8, selection=by)
    assert read_json(root / "train" / "selection.json")["left_out"] == []
    assert storage.load(root / "train" / "model").views == {"image": ["image/cnn", "image/lite"]}
    learned_history, fixed_history = histories(root / "train")
    assert len(learned_history) == 8
    assert learned_history[3]["held_out"] < fixed_history[3]["held_out"]


def test_a_trained_encoder_that_is_behind_is_given_half_of_the_epochs(tmp_path, monkeypatch):
    features = pictures(tmp_path, monkeypatch, 520)
    noisy = np.lib.format.open_memmap(next((tmp_path / "features/image").glob("cnn*")), "r+")
    noisy[:] = np.random.default_rng(0).integers(0, 256, noisy.shape)
    noisy.flush()
    assert learned_views(features) == ["image/cnn"]
    root = learned.learn(tmp_path / "features", tmp_path, epochs=8)
    assert read_json(root / "train" / "selection.json")["left_out"] == ["image/cnn"]
    learned_history, fixed_history = histories(root / "train")
    assert (len(learned_history), len(fixed_history)) == (4, 8)
    assert learned_history[3]["held_out"] >= fixed_history[3]["held_out"]


def histories(trained):
    """Epochs of the rehearsals with trained encoders and without."""
    folders = ("rehearsal-learned", "rehearsal")
    return [read_json(trained / name / "history.json")["epochs"] for name in folders]


def test_a_trained_encoder_is_left_out_where_it_tells_no_more(tmp_path, monkeypatch):
    features = pictures(tmp_path, monkeypatch, 500)
    assert learned_views(features) == ["image/cnn"]
    root = learned.learn(tmp_path / "features", tmp_path, epochs=1, learning_rate=1e-6)
    assert read_json(root / "train" / "selection.json")["left_out"] == ["image/cnn"]
    for name in ("model", "student"):
        assert storage.load(root / "train" / name).views == {"image": ["image/lite"]}
    seen = seen_by_student(Features.load(tmp_path / "features"), root / "train")
    assert list(seen.arrays) == ["image/lite"]


def test_few_labels_do_not_ask_for_a_trained_encoder(tmp_path, monkeypatch):
    pictures(tmp_path, monkeypatch, 100, blind=True)
    root = learned.learn(tmp_path / "features", tmp_path)
    assert read_json(root / "train" / "selection.json")["left_out"] == ["image/cnn"]
    assert not (root / "train" / "rehearsal").exists()


def test_a_modality_without_another_encoder_keeps_the_trained_one(tmp_path):
    features = write_features(tmp_path / "features", records(40), names=("image",))
    assert learned_views(features) == []
