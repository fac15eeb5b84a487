"""A step never makes the processor wait for the device.

torch's fake tensors compute shapes alone: whatever asks for a value, as ``nonzero``, a boolean mask
or ``bool(tensor)`` does, raises. They can stand on a CUDA device where there is none.
"""

import pytest
import torch
from torch._subclasses.fake_tensor import DynamicOutputShapeException, FakeTensorMode

from components.config.run import ModelConfig, Part, SslPart, TrainingConfig
from components.model import network, present, storage
from components.model.description import Mix
from components.parts import loading as parts
from components.parts.network import Likeness
from components.training.consistency import online
from components.training.data import Batch, training_data
from components.training.distributed import ALONE
from components.training.objective import Objective
from tests.synthetic import records, write_features


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    return write_features(tmp_path_factory.mktemp("f") / "features", records(60, labelled=0.7))


@pytest.fixture(scope="module", params=parts.available("fusion"))
def objective(request, features):
    config = ModelConfig.model_validate({"dim": 16, "fusion": request.param})
    model = storage.build(config, classes=features.classes, specs=features.specs)
    model.mix = Mix(network=1.0, committee=1.0)
    losses = {
        name: (1.0, parts.load("losses", name).build(parts.configure("losses", name, {})))
        for name in parts.available("losses")
    }
    settings = TrainingConfig(modality_dropout=0.5, label_smoothing=0.1)
    return Objective(model, losses, settings, torch.float32, ALONE)


def on_device(batch, mode):
    """A batch on a device that may not be there."""

    def there(x):
        return mode.from_tensor(x).to("cuda")

    return Batch(
        inputs={view: there(x) for view, x in batch.inputs.items()},
        present=there(batch.present),
        labels=there(batch.labels),
        weights=there(batch.weights),
        likeliest=None,
        likeness=Likeness(
            groups=there(batch.likeness.groups), contents=there(batch.likeness.contents)
        ),
        numbers=None if batch.numbers is None else there(batch.numbers),
    )


def test_a_step_asks_the_device_for_no_value(features, objective):
    data = training_data(features, unlabelled=True)
    some = data.batch(data.supervised[:10], torch.device("cpu"))
    assert not some.present.all(), "without a gap there is nothing to choose"
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        batch = on_device(some, mode)
        state = {n: mode.from_tensor(x).to("cuda") for n, x in objective.state_dict().items()}
        values = torch.func.functional_call(objective, state, (batch,))
    assert values.device.type == "cuda"
    assert len(values) == len(parts.available("losses"))


CHOSEN = [
    *((name, "gradient_modulation") for name in parts.available("ssl")),
    ("fixmatch", "feature_drop"),
]


@pytest.mark.parametrize(("ssl", "balance"), CHOSEN)
def test_a_step_with_online_parts_asks_the_device_for_no_value(features, ssl, balance):
    data = training_data(features, unlabelled=True)
    model = storage.build(ModelConfig(dim=16), classes=features.classes, specs=features.specs)
    chosen = online(SslPart(name=ssl), Part(name=balance), model, data, None)
    loss = parts.load("losses", "cross_entropy")
    losses = {"cross_entropy": (1.0, loss.build(loss.Config()))}
    settings = TrainingConfig(modality_dropout=0.5)
    whole = Objective(model, losses, settings, torch.float32, ALONE, chosen)
    whole.with_teacher()
    some = [data.batch(rows[:10], torch.device("cpu"), numbered=True) for rows in (
        data.supervised, data.hidden)]  # fmt: skip
    beside = chosen.ssl.records == "unlabelled"
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        given = [on_device(batch, mode) for batch in some]
        # A running mean of weights is a module of its own; here the student is asked.
        object.__setattr__(whole._learner, "teacher", None)
        state = {n: mode.from_tensor(x).to("cuda") for n, x in whole.state_dict().items()}
        call = (given[0], None, given[1] if beside else None)
        values = torch.func.functional_call(whole, state, call)
        with torch.no_grad():
            chosen.balance.to_empty(device="cuda")
            chosen.balance.after_backward(values[-3:], {}, 0.5)
    assert values.device.type == "cuda"


def test_the_proof_sees_a_boolean_mask():
    with FakeTensorMode() as mode:
        x = mode.from_tensor(torch.ones(3)).to("cuda")
        with pytest.raises(DynamicOutputShapeException):
            x[x > 0]


def test_a_device_answers_as_the_processor(features, objective, monkeypatch):
    """The way of the device, taken on the processor: only the device's name is changed."""
    model = objective.model.eval()
    data = training_data(features, unlabelled=True)
    batch = data.batch(data.supervised, torch.device("cpu"))
    absent = {v: batch.inputs[v].clone() for v in batch.inputs}
    wanted = model(batch.inputs, batch.present)
    for column, name in enumerate(model.names):
        for view in model.views[name]:
            absent[view][~batch.present[:, column]] = 77
    for module in (network, present):
        monkeypatch.setattr(module, "chooses_rows", lambda _: False)
    found = model(absent, batch.present)
    assert torch.allclose(found.logits, wanted.logits, atol=1e-5)
    assert torch.allclose(found.fused, wanted.fused, atol=1e-5)
    for name in model.names:
        assert torch.allclose(found.embeddings[name], wanted.embeddings[name], atol=1e-5)
        assert torch.allclose(found.modality_logits[name], wanted.modality_logits[name], atol=1e-5)
