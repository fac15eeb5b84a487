import itertools
import json

import numpy as np
import pytest
import torch

from components.config.run import ModelConfig, Part
from components.core.errors import BadInput, UserError
from components.model import storage
from components.model.description import Mix
from components.model.inference import infer
from tests.synthetic import records, write_features

SUBSETS = [s for n in (1, 2, 3) for s in itertools.combinations(("facts", "image", "text"), n)]


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    return write_features(tmp_path_factory.mktemp("f") / "features", records(60))


def made(features, fusion="concat", **options):
    torch.manual_seed(0)
    config = ModelConfig(dim=16, fusion=Part(name=fusion), **options)
    return storage.build(config, classes=features.classes, specs=features.specs).eval()


def batch(features, rows):
    inputs = {view: torch.from_numpy(array[rows]) for view, array in features.arrays.items()}
    return inputs, torch.from_numpy(features.present[rows])


@pytest.mark.parametrize("fusion", ["concat", "gated"])
@pytest.mark.parametrize("subset", SUBSETS)
def test_every_subset_gives_answers_and_unit_vectors(features, fusion, subset):
    found = infer(made(features, fusion), features.arrays, features.present, subset=subset)
    columns = [features.names.index(m) for m in subset]
    can = features.present[:, columns].any(axis=1)
    assert np.isfinite(found.logits[can]).all()
    assert np.isnan(found.logits[~can]).all()
    assert np.allclose(np.linalg.norm(found.fused, axis=1), can, atol=1e-5)
    for column, m in enumerate(features.names):
        has = features.present[:, column] & (m in subset)
        assert np.allclose(np.linalg.norm(found.embeddings[m], axis=1), has, atol=1e-5)
        assert (np.isnan(found.modality_logits[m][:, 0]) == ~has).all()


def test_an_answer_depends_neither_on_the_batch_nor_on_absent_rows(features):
    model, rows = made(features), np.arange(40)
    whole = infer(model, features.arrays, features.present, rows)
    small = infer(model, features.arrays, features.present, rows, batch=3)
    assert np.allclose(whole.logits, small.logits, atol=1e-5)
    garbage = {view: np.array(a) for view, a in features.arrays.items()}
    for column, m in enumerate(features.names):
        for view in features.views([m]):
            garbage[view][~features.present[:, column]] = 77
    assert np.array_equal(whole.logits, infer(model, garbage, features.present, rows).logits)


def test_garbage_in_absent_rows_reaches_no_gradient(features):
    model = made(features)
    inputs, present = batch(features, np.arange(30))
    inputs["facts/fields"][~present[:, 0]] = float("nan")
    model(inputs, present).logits.sum().backward()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())


def test_a_hidden_modality_leaves_the_fusion_but_keeps_its_embedding(features):
    model, rows = made(features), features.present.all(axis=1).nonzero()[0][:5]
    inputs, present = batch(features, rows)
    hidden = torch.zeros_like(present)
    hidden[:, 1] = True
    a, b = model(inputs, present, hidden), model(inputs, present & ~hidden)
    assert torch.allclose(a.logits, b.logits, atol=1e-6)
    assert a.embeddings["image"].norm(dim=1).allclose(torch.ones(5))
    assert not b.embeddings["image"].any()


def test_a_record_without_any_modality_is_refused(features):
    inputs, present = batch(features, np.arange(4))
    present[2] = False
    with pytest.raises(BadInput, match="at least one of facts, image, text"):
        made(features)(inputs, present)


@pytest.mark.parametrize("fusion", ["concat", "gated"])
def test_saved_and_loaded_answers_are_the_same_to_the_bit(features, tmp_path, fusion):
    model = made(features, fusion)
    storage.save(model, tmp_path / "m")
    state = torch.get_rng_state()
    other = storage.load(tmp_path / "m")
    assert torch.equal(torch.get_rng_state(), state)
    a, b = (infer(m, features.arrays, features.present) for m in (model, other))
    assert np.array_equal(a.logits, b.logits, equal_nan=True)
    assert other.classes == features.classes
    assert other.specs == {name: features.specs[name] for name in other.names}


OWN = '''"""My fusion. Source: mine."""
from dataclasses import dataclass
import torch
from torch import nn

@dataclass(frozen=True, kw_only=True)
class Config:
    scale: float = 1.0

class Mean(nn.Module):
    def __init__(self, scale, names):
        super().__init__()
        self.scale, self.names = scale, names
    def forward(self, parts, present):
        return self.scale * sum(parts[n] for n in self.names)

def build(config, *, names, dim, dropout):
    return Mean(config.scale, names)
'''


def test_a_users_own_fusion_goes_with_the_model(features, tmp_path):
    (tmp_path / "mine.py").write_text(OWN)
    config = ModelConfig(dim=16, fusion=Part.model_validate({"name": "./mine.py", "scale": 2.0}))
    model = storage.build(
        config, classes=features.classes, specs=features.specs, base=tmp_path
    ).eval()
    storage.save(model, tmp_path / "m")
    (tmp_path / "mine.py").unlink()
    again = storage.load(tmp_path / "m")
    storage.save(again, tmp_path / "n")
    a, b = (
        infer(m, features.arrays, features.present) for m in (model, storage.load(tmp_path / "n"))
    )
    assert np.array_equal(a.logits, b.logits, equal_nan=True)


def test_no_model_and_another_format_are_said_clearly(features, tmp_path):
    with pytest.raises(UserError, match="not a model folder"):
        storage.load(tmp_path)
    storage.save(made(features), tmp_path / "m")
    about = json.loads((tmp_path / "m" / "model.json").read_text()) | {"format": 99}
    (tmp_path / "m" / "model.json").write_text(json.dumps(about))
    with pytest.raises(UserError, match="format 99"):
        storage.load(tmp_path / "m")


def test_a_temperature_leaves_alone_how_common_classes_are(tmp_path):
    """Oracle: probabilities in proportion to ``exp(evidence / temperature) * prior``."""
    features = write_features(tmp_path / "features", records(80))
    model = storage.build(ModelConfig(dim=16), classes=features.classes, specs=features.specs)
    model.mix = Mix(network=0.0, committee=1.0)
    prior = np.array([0.7, 0.1, 0.1, 0.1])
    model.committee.shift.copy_(torch.from_numpy(np.log(prior)))
    evidence = np.random.default_rng(0).normal(size=(5, 4))
    found = model.target.probabilities(model.tempered(evidence + np.log(prior), 3.0))
    wanted = np.exp(evidence / 3) * prior
    assert np.allclose(found, wanted / wanted.sum(axis=1, keepdims=True), atol=1e-6)


def test_the_answer_is_the_same_whether_or_not_each_modality_is_asked(features):
    model = made(features)
    model.mix = Mix(network=0.5, committee=0.5)
    for part in model.committee.buffers():
        if part.is_floating_point():
            part.normal_()
    whole = infer(model, features.arrays, features.present)
    alone = infer(model, features.arrays, features.present, each=False)
    assert np.array_equal(whole.logits, alone.logits)
    assert all(np.isfinite(said).any() for said in whole.modality_logits.values())
    assert all(np.isnan(said).all() for said in alone.modality_logits.values())
