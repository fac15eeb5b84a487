"""A user's own parts in the whole loop: registered, promoted, and served without the files."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from components.config.home import Home
from components.prediction.predictor import Predictor
from components.registry.promotion import Promotion
from serving.bentos import bento_of
from tests.behaviour import own_parts
from tests.loop import outcome

pytestmark = pytest.mark.usefixtures("prefect_server")


def test_what_is_served_answers_as_before_when_the_users_files_are_gone(tmp_path):
    path = own_parts.write(tmp_path, own_parts.PARTS)
    home = Home(root=tmp_path / "home")
    assert outcome(path, home.root).verdict == "promote"
    champion = Promotion(home, "tiny").champion()
    bento = bento_of(home, champion)
    here = Predictor.load(bento / "src" / "package").predict([{"text": "ring"}])[0]
    shutil.rmtree(path.parent)
    code = (
        "import json, serving.service as service\n"
        "service._serving().begin()\n"
        "from starlette.testclient import TestClient\n"
        "ask = TestClient(service._serving().front, base_url='http://127.0.0.1')\n"
        "found = ask.post('/v1/classify', json={'records': [{'text': 'ring'}]}).json()\n"
        "print(json.dumps(found['answers'][0]['probabilities']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=bento / "src",
        env={**os.environ, "CONCORD_HOME": str(home.root), "CONCORD_HOST": "127.0.0.1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == pytest.approx(here.probabilities, abs=1e-6)
