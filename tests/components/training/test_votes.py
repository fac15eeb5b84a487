"""Late votes are calibrated and weighed by records that were held out."""

import numpy as np
import pytest
import torch

from components.config.run import ModelConfig
from components.model import storage
from components.model.inference import infer
from components.training.votes import take_votes, weigh_votes
from tests.synthetic import records, write_features


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    return write_features(tmp_path_factory.mktemp("f") / "features", records(200, labelled=0.9))


def voting(features, seed=0):
    torch.manual_seed(seed)
    shape = ModelConfig.model_validate({"dim": 16, "fusion": "voting"})
    return storage.build(shape, classes=features.classes, specs=features.specs).eval()


def test_weights_are_likelihoods_at_the_best_temperature(features):
    """Against a grid of temperatures."""
    model, rows = voting(features), features.rows("val", labelled=True)
    for head in model.modality_heads.values():
        head.weight.data *= 8  # too sure
    said = infer(model, features.arrays, features.present, rows)
    weigh_votes(model, features, rows)
    for column, name in enumerate(model.names):
        has = features.present[rows, column]
        logits, labels = said.modality_logits[name][has], features.labels[rows][has]
        losses = []
        for heat in np.exp(np.linspace(-3, 5, 400)):
            x = torch.from_numpy(logits / heat)
            losses.append(torch.nn.functional.cross_entropy(x, torch.from_numpy(labels)).item())
        assert model.fusion.temperature[column] > 1
        assert model.fusion.weight[column].item() == pytest.approx(np.exp(-min(losses)), rel=0.02)


def test_a_modality_that_no_record_has_weighs_as_little_as_the_weakest(features):
    model, rows = voting(features), features.rows("val", labelled=True)
    column = features.names.index("text")
    weigh_votes(model, features, rows[~features.present[rows, column]])
    assert model.fusion.weight[column] == model.fusion.weight.min()
    assert model.fusion.temperature[column] == 1


def test_without_records_all_weigh_the_same_and_another_model_takes_them_over(features):
    model, other = voting(features), voting(features, seed=1)
    weigh_votes(model, features, np.empty(0, np.int64))
    assert model.fusion.weight.tolist() == [1.0] * len(model.names)
    weigh_votes(model, features, features.rows("val", labelled=True))
    take_votes(other, model)
    assert torch.equal(other.fusion.weight, model.fusion.weight)
    assert torch.equal(other.fusion.temperature, model.fusion.temperature)


def test_the_answer_joins_those_of_the_modalities_and_their_heads_alone_learn(features):
    model, rows = voting(features), features.rows("val", labelled=True)
    model.fusion.weigh([1.0, 2.0, 1.0], [0.2, 0.5, 0.3])
    batch = {v: torch.from_numpy(np.asarray(x[rows])) for v, x in features.arrays.items()
             if v in model.encoders}  # fmt: skip
    found = model(batch, torch.from_numpy(features.present[rows]))
    assert not found.logits.requires_grad
    alone = np.flatnonzero(features.present[rows].sum(axis=1) == 1)
    for row in alone:
        (column,) = np.flatnonzero(features.present[rows[row]])
        own = found.modality_logits[model.names[column]][row] / model.fusion.temperature[column]
        assert torch.allclose(found.logits[row].softmax(0), own.softmax(0), atol=1e-6)
