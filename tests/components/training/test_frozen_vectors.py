"""Losses that ask for the vectors of frozen encoders get them; others cost nothing."""

import dataclasses

import numpy as np
import pytest
import torch

from components.config.check_parts import check_parts
from components.config.run import ModelConfig, RunConfig, TrainingConfig
from components.core.errors import UserError
from components.model import storage
from components.model.network import Model
from components.training.data import training_data
from components.training.distributed import ALONE
from components.training.objective import Objective, built
from tests.synthetic import records, write_features


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    return write_features(tmp_path_factory.mktemp("f") / "features", records(60, labelled=0.7))


def objective(features, losses, names=None):
    specs = {n: features.specs[n] for n in names or features.names}
    model = storage.build(ModelConfig(dim=16), classes=features.classes, specs=specs)
    chosen, _ = built(losses, len(specs), None)
    return Objective(model, chosen, TrainingConfig(), torch.float32, ALONE)


def test_they_are_the_light_of_a_records_own_inputs_and_zero_where_it_lacks_them(features):
    seen = {}

    def loss(output, *_, frozen):
        seen.update(frozen)
        return output.logits.sum() * 0.0

    made = objective(features, {"cross_entropy": {}})
    whole = Objective(made.model, {"x": (1.0, loss)}, TrainingConfig(), torch.float32, ALONE)
    data = training_data(features, unlabelled=True)
    rows = data.supervised[:20]
    batch = data.batch(rows, torch.device("cpu"))
    facts = batch.inputs["facts/fields"].clone()
    facts[~batch.present[:, 0]] = torch.nan
    whole(dataclasses.replace(batch, inputs=batch.inputs | {"facts/fields": facts}))
    encoder = made.model.encoders["facts/fields"]
    has = features.present[rows, 0]
    wanted = encoder.light(batch.inputs["facts/fields"]) * torch.from_numpy(has)[:, None]
    assert torch.allclose(seen["facts"], wanted)
    assert not np.asarray(seen["facts"])[~has].any()
    assert {n: x.shape[1] for n, x in seen.items()} == made.model.frozen_dims


def test_they_are_not_computed_where_no_loss_asks(features, monkeypatch):
    made = objective(features, {"cross_entropy": {}, "info_nce": {}})
    computed = []
    monkeypatch.setattr(Model, "frozen", lambda *_: computed.append(True))
    data = training_data(features)
    made(data.batch(data.supervised[:8], torch.device("cpu")))
    assert not computed


def test_encoders_that_are_all_trained_are_refused_before_the_first_step(features):
    names = [n for n, d in objective(features, {"cross_entropy": {}}).model.frozen_dims.items()]
    trained = [n for n in names if not objective(features, {}, [n]).model.frozen_dims[n]]
    assert trained == ["image"]
    model = objective(features, {}, trained).model
    losses, _ = built({"neighbourhood": {}, "soft_contrast": {}}, 2, None)
    with pytest.raises(UserError, match="neighbourhood, soft_contrast: got encoders that are all"):
        Objective(model, losses, TrainingConfig(), torch.float32, ALONE)


ALIGNING = [
    *("sigmoid_pairs", "sdm", "supervised_contrast"),
    *("soft_contrast", "unimodal_targets", "neighbourhood"),
]


@pytest.mark.parametrize("name", ALIGNING)
def test_one_modality_is_refused_in_one_sentence_before_anything_runs(tmp_path, name):
    tree = {"name": "t", "data": {"uri": "ds"}, "losses": {"cross_entropy": {}, name: {}}}
    with pytest.raises(UserError, match=f"losses.{name}: .*got a data set of words alone, wanted"):
        check_parts(RunConfig.model_validate(tree), tmp_path / "run.yaml", {"words": "text"})
    tree["losses"][name]["weight"] = 0
    check_parts(RunConfig.model_validate(tree), tmp_path / "run.yaml", {"words": "text"})


def test_maps_between_spaces_need_two_of_them(tmp_path):
    tree = {"name": "t", "data": {"uri": "ds"}, "model": {"projector": "maps"}}
    with pytest.raises(UserError, match=r"model\.projector: maps: got a data set of words alone"):
        check_parts(RunConfig.model_validate(tree), tmp_path / "run.yaml", {"words": "text"})


def test_the_default_leaves_its_contrast_out_where_there_is_one_modality(tmp_path):
    tree = {"name": "t", "data": {"uri": "ds"}}
    check_parts(RunConfig.model_validate(tree), tmp_path / "run.yaml", {"words": "text"})
