"""Sounds go the whole way by their kind's own file: import, steps, report, package and answers."""

import base64

import numpy as np
import pandas as pd
import pytest

from components.config import run as configuration
from components.config.home import Home
from components.core.files import read_json
from components.data.importing.dataset import import_dataset
from components.prediction.predictor import Predictor
from components.registry.mlflow_pyfunc import PyfuncModel
from flows.steps import table
from flows.steps.step import Job, walk
from serving import bento
from serving.interface.limits import Limits
from serving.live.answers import Answers
from tests import served
from tests.sounds import encoded, wave

CONTAINERS = {"wav": "WAV", "flac": "FLAC", "ogg": "OGG", "mp3": "MP3"}
HERTZ = {"low": 200, "high": 3000}
RNG = np.random.default_rng(0)


def sound(label, container="WAV"):
    samples = wave(HERTZ[label] * RNG.uniform(0.9, 1.1), 0.3, 22_050)
    return encoded(samples + RNG.normal(0, 0.02, len(samples)), 22_050, container)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Results of every step, by name, of a set imported from a folder of files by class."""
    root = tmp_path_factory.mktemp("sounds")
    for label in HERTZ:
        (root / "files" / label).mkdir(parents=True)
        for i in range(30):
            suffix = list(CONTAINERS)[i % 4]
            file = root / "files" / label / f"{i}.{suffix}"
            file.write_bytes(sound(label, CONTAINERS[suffix]))
    silence = encoded(np.zeros(4000))
    (root / "files" / "low" / "silence.wav").write_bytes(silence)
    (root / "files" / "low" / "broken.ogg").write_bytes(b"OggS and no more")
    import_dataset(root / "files", root / "set")
    path = root / "run.yaml"
    path.write_text("{name: tones, data: {uri: set}, training: {epochs: 3, batch_size: 16}}")
    job = Job.opened(configuration.load(path), base=root, home=Home(root=root / "home"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bento, "build", lambda _, out: (out / "bento").mkdir())
        rows = table.steps_for(job.config, job.manifest, job.base)
        return {result.name: result.ref.path for result in walk(rows, job)}


def test_a_broken_file_is_put_aside_and_a_silent_one_is_told(done):
    summary = read_json(done["validate"] / "summary.json")
    assert (summary["accepted"], summary["quarantined"]) == (61, 1)
    assert any("audio is silent in 1 record" in said for said in summary["warnings"])


def test_the_report_plays_sounds(done):
    report = (done["evaluate"] / "report.html").read_text()
    assert '<audio controls aria-label="audio of record' in report
    assert "data:audio/mpeg;base64," in report


def test_a_package_answers_over_http_and_to_mlflow_as_it_does_here(done):
    package = done["package"] / "package"
    predictor, limits = Predictor.load(package), Limits.read(package)
    records = [{"audio": sound(label)} for label in HERTZ]
    wanted = [answer.probabilities["high"] for answer in predictor.predict(records)]
    assert wanted[0] < wanted[1]
    answers = Answers(predictor, limits=limits, name="tones", version=1)
    bodies = [{"audio": base64.b64encode(r["audio"]).decode()} for r in records]
    with served.client(answers) as client:
        body = client.post("/v1/classify", json={"records": bodies}).json()
        assert [a["probabilities"]["high"] for a in body["answers"]] == pytest.approx(wanted)
        query = {"query": bodies[0], "target": "audio", "k": 1}
        (hit,) = client.post("/v1/search", json=query).json()["hits"]
        shown = client.get(hit["media"]["audio"])
        assert shown.headers["content-type"] == "audio/mpeg"
        refused = client.post("/v1/classify", json={"records": [{"audio": "T2dnUw=="}]})
        assert refused.json()["problems"][0]["field"] == "records.0.audio"
    answered = PyfuncModel(package).predict(pd.DataFrame(records))
    assert [p["high"] for p in answered["probabilities"]] == pytest.approx(wanted)


def test_a_bento_pins_what_its_own_model_needs_and_nothing_of_other_kinds(done):
    libraries = bento.libraries(done["package"] / "package")
    assert {"onnxruntime", "soundfile"} <= set(libraries)
    assert not {"pillow", "scipy", "tokenizers", "torch"} & set(libraries)
