"""Maps are fitted before the first step, stay or go on, and come back from a folder."""

import numpy as np
import pytest
import torch

from benchmarks.methods._beds import bed
from benchmarks.methods._student import fitted, recall
from components.config.run import ModelConfig
from components.core.errors import UserError
from components.model import storage
from components.training.data import training_data
from components.training.projectors import fit_projectors
from tests.synthetic import records, write_features

CONTRAST = {"cross_entropy": {}, "info_nce": {}}
SHORT = {"epochs": 2, "batch_size": 64}


@pytest.fixture(scope="module")
def pair():
    return bed("pair", 0, records=300, noise=0.3, shared=0.9)


def maps(**options):
    return {"projector": {"name": "maps", **options}}


def test_training_leaves_maps_as_they_are_unless_they_are_a_start(pair):
    model = storage.build(
        ModelConfig.model_validate({"dim": 64, **maps(method="cca")}),
        classes=pair.classes,
        specs=pair.specs,
    )
    from components.training.fitted_parts import fit_encoders

    data = training_data(pair)
    fit_encoders(model, data, 0)
    fit_projectors(model, data)
    before = model.projectors["a"].weight
    assert before.any()
    stays, starts = (
        fitted(pair, losses=CONTRAST, model=maps(method="cca", trained=trained), training=SHORT)
        for trained in (False, True)
    )
    assert torch.equal(stays.projectors["a"].weight, before)
    assert not torch.equal(starts.projectors["a"].weight, before)


@pytest.mark.parametrize("projector", [{"projector": "mlp"}, maps(), maps(method="relative")])
def test_a_model_comes_back_from_its_folder_and_finds_across_modalities(pair, tmp_path, projector):
    model = fitted(pair, losses=CONTRAST, model=projector, training=SHORT)
    storage.save(model, tmp_path / "m")
    again = storage.load(tmp_path / "m")
    assert again.config.projector.name != "linear"
    test = pair.rows("test")
    assert recall(again, pair, test, 10) == recall(model, pair, test, 10)
    assert np.mean(list(recall(model, pair, test, 10).values())) > 20 / len(test)


def test_a_default_model_is_written_as_before_projectors_could_be_chosen(pair, tmp_path):
    import json

    model = storage.build(ModelConfig(dim=8), classes=pair.classes, specs=pair.specs)
    storage.save(model, tmp_path / "m")
    told = json.loads((tmp_path / "m" / "model.json").read_text())
    assert told["format"] == 6
    assert "projector" not in told["model"]
    assert {n for n in model.state_dict() if n.startswith("projectors.a")} == {
        *("projectors.a.0.weight", "projectors.a.0.bias"),
        *("projectors.a.1.weight", "projectors.a.1.bias"),
    }


def test_encoders_that_are_trained_are_refused_by_name(tmp_path):
    features = write_features(tmp_path / "features", records(40))
    with pytest.raises(UserError, match=r"maps: got facts/fields, image/cnn.* wanted frozen"):
        fitted(features, model=maps(), training=SHORT)
