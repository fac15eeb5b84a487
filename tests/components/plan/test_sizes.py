"""Bytes by formula are bytes of real files."""

from types import SimpleNamespace

import numpy as np
import pytest

from components.plan import sizes, steps
from components.plan.estimate import checkpoint_sizes
from components.training.checkpoint import Folder
from components.training.data import training_data
from components.training.loop import Control, fit
from components.training.objective import built


def test_feature_bytes_are_those_of_the_files(real):
    folder = real.features.path
    files = sum(f.stat().st_size for f in folder.rglob("*.npy"))
    assert sizes.feature_bytes(real.features.specs, len(real.features.ids)) == files


def test_vector_bytes_are_those_of_saved_arrays(tmp_path):
    for name in ("a", "b", "fused"):
        np.save(tmp_path / f"{name}.npy", np.zeros((77, 16), np.float32))
    assert sizes.vector_bytes(2, 16, 77) == sum(f.stat().st_size for f in tmp_path.iterdir())


@pytest.mark.parametrize("name", ["full", "only-text", "concat"])
def test_checkpoint_bytes_are_those_of_a_real_file_less_its_header(real, tmp_path, name):
    config, base = real.config, real.base
    model = steps.build(config, name, real.features.specs, real.surveyed.classes, base)
    losses, _ = built(config.losses, len(model.names), base)
    data = training_data(real.features, names=tuple(model.names))
    fit(model, losses, data, config.training, epochs=1, checkpoints=Folder(tmp_path), name="m")
    data = (tmp_path / "m.safetensors").read_bytes()
    header = 8 + int.from_bytes(data[:8], "little")
    expected = checkpoint_sizes(config, real.features.specs, real.surveyed.classes, base)[name]
    assert len(data) - header == expected


@pytest.mark.parametrize(("every", "often"), [(1, None), (3, None), (2, 3), (5, 2), (2, 100)])
def test_as_many_checkpoints_as_the_loop_writes(real, every, often):
    written = []
    store = SimpleNamespace(
        read=lambda *_: None, write=lambda name, found, key: written.append((name, found.step, key))
    )
    config = real.config.training.model_copy(update={"checkpoint_every": every, "batch_size": 16})
    model = steps.build(
        real.config, "only-text", real.features.specs, real.surveyed.classes, real.base
    )
    losses, _ = built(real.config.losses, 1, real.base)
    data = training_data(real.features, names=("text",))
    fit(
        model,
        losses,
        data,
        config,
        epochs=5,
        checkpoints=store,
        control=Control(checkpoint_steps=often),
    )
    per_epoch = len(data.batches(16, 0, 0))
    assert sizes.checkpoint_count(5, per_epoch, every, often) == len(written)


def test_memory_of_lists_is_that_of_the_objects(real):
    import sys

    features = real.features
    shape = sizes.Shape(
        specs=features.specs,
        dim=real.config.model.dim,
        classes=len(features.classes),
        surveyed=real.surveyed,
    )
    lists = [features.ids, features.groups]
    held = sum(sys.getsizeof(values) + sum(map(sys.getsizeof, values)) for values in lists)
    held += features.splits.nbytes + features.labels.nbytes + features.present.nbytes
    found = sizes.resident("teach", shape, len(features.ids))
    data = training_data(features)
    held += data.weights.nbytes + data.labels.nbytes + data.present.nbytes
    order = 2 * 8 * int((features.splits == "train").sum())
    assert found == pytest.approx(held + order, rel=0.1)
