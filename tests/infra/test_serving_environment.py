"""The libraries of the serving image alone, made small, answer for a Bento."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from components.config.home import CHECKOUT
from flows.engines import free_port
from infra.images import FOLDER
from infra.images.sizes import measure
from serving.bento import build
from tests import sounds, synthetic
from tests.components.prediction.test_without_torch import CASES, made
from tests.packaged import packed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MOST_MB = 300
"""Base image, code and bytecode come on top."""
ABSENT = ("faiss", "torch", "sklearn", "pandas", "prefect", "mlflow", "great_expectations", "dvc")


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """The interpreter of an environment that the Dockerfile's steps make."""
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    root = tmp_path_factory.mktemp("serve") / "environment"
    python = root / "bin" / "python"
    for command in (
        [uv, "venv", "--quiet", "--python", sys.executable, str(root)],
        [
            uv, "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--link-mode", "copy",
            "--python", str(python), "--requirements", str(FOLDER / "exact.lock"),
        ],
        ["sh", str(FOLDER / "slim.sh"), str(root / "lib" / "python3.11" / "site-packages")],
    ):  # fmt: skip
        subprocess.run(command, cwd=CHECKOUT, check=True)
    return python


@contextmanager
def served(python: Path, bento: Path, folder: Path) -> Iterator[httpx.Client]:
    port = free_port()
    environment = {
        "HOME": str(folder), "PATH": os.environ["PATH"], "BENTOML_HOME": str(folder / "bentoml"),
        "CONCORD_HOME": str(folder / "home"), "CONCORD_OPEN": "1", "BENTOML_DO_NOT_TRACK": "True",
    }  # fmt: skip
    command = [python, "-m", "bentoml", "serve", bento, "--host", "127.0.0.1", "--port", str(port)]
    with (
        subprocess.Popen(command, env=environment, cwd=folder) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client,
    ):
        try:
            end, ready = time.monotonic() + 120, False
            while not ready:
                assert server.poll() is None
                assert time.monotonic() < end
                time.sleep(0.5)
                with suppress(httpx.HTTPError):
                    ready = client.get("/readyz").is_success
            yield client
        finally:
            server.terminate()


def answer(client: httpx.Client, path: str, body: dict[str, Any]) -> Any:
    response = client.post(path, json=body)
    assert response.is_success, response.text
    return response.json()


def test_it_has_no_training_library_and_is_as_small_as_it_says(python: Path) -> None:
    code = f"import importlib.util as u; print([n for n in {ABSENT} if u.find_spec(n)])"
    done = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
    assert measure(python.parents[1])["total"] <= MOST_MB


def test_the_bento_classifies_searches_and_embeds(python: Path, tmp_path: Path) -> None:
    record = {"text": "red round"}
    with served(python, build(packed().package, tmp_path / "built"), tmp_path) as client:
        (found,) = answer(client, "/v1/classify", {"records": [record]})["answers"]
        assert sum(found["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert answer(client, "/v1/search", {"query": record, "k": 3})
        assert answer(client, "/v1/embed", {"records": [record]})
        assert "torch" not in json.dumps(client.get("/v1/model").json()["runtime"])


def test_sounds_sparse_texts_and_pictures_are_answered(python: Path, tmp_path: Path) -> None:
    """Of packages with every encoder that is carried, whatever they ask of scipy."""
    for case, (how, modalities) in CASES.items():
        made(tmp_path / case, *how, modalities)
    code = f"""
import sys
from pathlib import Path
from components.prediction.classifier import Classifier
sound, picture = sys.stdin.buffer.read().split(b"//split//")
values = dict(sound=sound, image=picture, text="a round thing", facts=dict(weight=3.0))
for case in {list(CASES)}:
    classifier = Classifier(Path({str(tmp_path)!r}, case))
    record = {{name: values[name] for name in classifier.names}}
    assert classifier.embed(record)
    assert not classifier.classes or classifier.predict([record])[0].probabilities
"""
    pair = (sounds.tone(), synthetic.picture("circle", np.random.default_rng(0)))
    subprocess.run([python, "-c", code], cwd=CHECKOUT, check=True, input=b"//split//".join(pair))
