"""Training on a CUDA device; run by name where there is one: ``pytest -m gpu``."""

import numpy as np
import pytest
import torch

from components.config.run import ModelConfig, TrainingConfig
from components.core.errors import Interrupted
from components.model import storage
from components.model.inference import infer
from components.parts import loading as parts
from components.training.checkpoint import Folder
from components.training.data import training_data
from components.training.loop import Control, fit
from tests.synthetic import records, write_features

pytestmark = pytest.mark.gpu

CONFIG = TrainingConfig(
    batch_size=32, learning_rate=3e-3, seed=3, augment=False, modality_dropout=0.0
)


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    return write_features(tmp_path_factory.mktemp("f") / "features", records(240, labelled=0.7))


def trained(features, device, precision="fp32", epochs=12, **options):
    """A model without draws of its own, and the figures of its training."""
    torch.manual_seed(CONFIG.seed)
    config = ModelConfig(dim=16, dropout=0.0)
    model = storage.build(config, classes=features.classes, specs=features.specs)
    losses = {
        name: (weight, parts.load("losses", name).build(parts.configure("losses", name, {})))
        for name, weight in {"cross_entropy": 1.0, "info_nce": 0.1}.items()
    }
    settings = CONFIG.model_copy(update={"device": device, "precision": precision})
    data = training_data(features, unlabelled=True)
    return model, fit(model, losses, data, settings, epochs=epochs, **options)


def accuracy(model, features):
    rows = features.rows("test", labelled=True)
    predicted = model.target.decide(infer(model, features.arrays, features.present, rows).logits)
    return model.target.metrics(features.labels[rows], predicted)["accuracy"]


def test_full_precision_learns_what_the_processor_learns(features):
    here, there = (trained(features, device)[1].history for device in ("cpu", "cuda"))
    first = [[h[0]["loss"], h[-1]["loss"]] for h in (here, there)]
    assert np.allclose(*first, rtol=0.02)


def test_half_precision_learns_too(features):
    model, _ = trained(features, "cuda", precision="bf16")
    assert accuracy(model, features) > 0.6


def test_an_interrupted_run_resumes_where_it_stopped(features, tmp_path):
    straight, whole = trained(features, "cuda", epochs=3)
    asked = iter([False] * 4 + [True] * 100)
    control = Control(stop=lambda: next(asked), checkpoint_steps=1)
    with pytest.raises(Interrupted):
        trained(features, "cuda", epochs=3, checkpoints=Folder(tmp_path), key="k", control=control)
    resumed, found = trained(features, "cuda", epochs=3, checkpoints=Folder(tmp_path), key="k")
    assert found.resumed_from > 0
    assert found.steps == whole.steps
    for a, b in zip(straight.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.allclose(a.float(), b.float(), atol=1e-3)
