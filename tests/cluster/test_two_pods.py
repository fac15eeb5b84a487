"""Training in two pods, by folder and by S3, equals training in one process."""

import numpy as np
import pytest

from components.config.run import Part, SslPart
from components.core.files import read_json
from components.features.store import Features
from components.model import storage
from components.model.inference import infer
from tests.cluster.running import Running, here
from tests.cluster.test_demo_training import through_s3
from tests.components.pods.pods import train_spec
from tests.synthetic import records, write_features

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


# Views without draws for a rank's own rows; the state of the part decides what is learned.
ONLINE = {
    "ssl": SslPart.model_validate(
        {"name": "flexmatch", "decay": 0.9, "threshold": 0.6, "noise": 0.0, "drop": 0.0, "mix": 0.0}
    ),
    "balance": Part(name="feature_drop"),
}


@pytest.mark.parametrize(
    ("place", "online"),
    [("folder", {}), ("s3", {}), ("folder", ONLINE)],
    ids=["folder", "s3", "online"],
)
def test_two_pods_over_gloo_train_what_one_process_trains(
    trainer, tmp_path, kubectl, request, monkeypatch, place, online
):
    write_features(tmp_path / "features", records(300, labelled=0.5))
    # Dropout and augmentation draw for a rank's own rows, and so differ by the number of ranks.
    spec = train_spec(tmp_path / "features", **online)
    spec = spec.model_copy(
        update={
            "model": spec.model.model_copy(update={"dropout": 0.0}),
            "training": spec.training.model_copy(update={"augment": False}),
        }
    )
    block = {**trainer, "nodes": 2, "cpu": 1}
    if place == "s3":
        s3 = request.getfixturevalue("s3")
        for name, value in s3.env.items():
            monkeypatch.setenv(name, value)
        block = through_s3(block, s3, kubectl, "two-pods")
    training = Running(spec, block, tmp_path / "out")
    (attempt,) = training.ended()

    assert attempt.about["world_size"] == 2
    running = {line.rsplit(" ", 1)[1] for line in training.said if ": running on " in line}
    assert len(running) == 2, training.said
    one, features = here(spec, tmp_path / "here"), Features.load(tmp_path / "features")
    losses = [
        [e["loss"] for e in read_json(f / "student" / "history.json")["epochs"]]
        for f in (one, tmp_path / "out")
    ]
    logits = [
        infer(storage.load(f / "model"), features.arrays, features.present).logits
        for f in (one, tmp_path / "out")
    ]
    np.testing.assert_allclose(losses[1], losses[0], atol=1e-3, rtol=0)
    np.testing.assert_allclose(logits[1], logits[0], atol=1e-3, rtol=0)
