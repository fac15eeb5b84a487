"""Pods of shards as real processes without the engines: killed, stopped, or given bad input."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components.core.refs import Ref, digest_folder
from components.exchange.exchange import Exchange
from components.pods.entry import main
from components.prediction.block import BLOCK
from components.shards.accounting import accounted, folders, results
from components.shards.join import join_features
from components.shards.plan import EncodePlan
from components.shards.work import chunk_job
from tests import synthetic
from tests.components.features.test_features import write_accepted

ROOT = Path(__file__).parents[3]
RECORDS = 200
POD = """
import sys, time, runpy
absent = "prefect mlflow bentoml great_expectations dvc kubernetes scipy jinja2 fontTools".split()
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in absent:
            raise ImportError(name + " is not in this image")
sys.meta_path.insert(0, Blocker())
from components.parts.encoders import cnn
once, where, wait = cnn.CnnEncoder.encode, sys.argv[1] + "/jobs/job", float(sys.argv[2])
def slow(self, raws):
    time.sleep(wait)
    return once(self, raws)
cnn.CnnEncoder.encode = slow
sys.argv = ["entry", "--config", where + "/spec.json", "--out", where]
runpy.run_module("components.pods.entry", run_name="__main__")
"""


@pytest.fixture(scope="module")
def accepted(tmp_path_factory):
    return write_accepted(tmp_path_factory.mktemp("data") / "accepted", synthetic.records(RECORDS))


@pytest.fixture
def job(accepted, tmp_path):
    """An exchange with a job of one part in four chunks."""
    given = Ref(uri=str(accepted), digest=digest_folder(accepted))
    plan = EncodePlan(
        accepted=given, data=given, modalities=synthetic.OPTIONS, shards=1, chunk=BLOCK
    )
    (tmp_path / "exchange").mkdir()
    exchange = Exchange(str(tmp_path / "exchange"), waits=())
    spec = plan.cut(exchange, tmp_path / "scratch")
    exchange.write_json("jobs/job/spec.json", spec.model_dump(mode="json"))
    return spec, exchange


def environment(tmp_path, token):
    return {
        "CONCORD_ATTEMPT": token,
        "CONCORD_CACHE": str(tmp_path / token),
        "CONCORD_TERMINATION_LOG": str(tmp_path / f"{token}.end"),
        "JOB_COMPLETION_INDEX": "0",
    }


def start(tmp_path, token, slow=0.0):
    return subprocess.Popen(
        [sys.executable, "-c", POD, str(tmp_path / "exchange"), str(slow)],
        cwd=ROOT,
        env={**os.environ, **environment(tmp_path, token)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_chunks(exchange, process, count):
    end = time.monotonic() + 60
    while len(exchange.attempts(chunk_job("job", 0))) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_killed_and_a_stopped_index_go_on_and_no_chunk_is_done_twice(job, accepted, tmp_path):
    spec, exchange = job
    killed = start(tmp_path, "killed", slow=0.5)
    wait_for_chunks(exchange, killed, 1)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    stopped = start(tmp_path, "stopped", slow=0.5)
    wait_for_chunks(exchange, stopped, 2)
    os.kill(stopped.pid, signal.SIGTERM)
    _, err = stopped.communicate(timeout=60)
    assert stopped.returncode == 75, err
    assert "stopped by SIGTERM; finished work is kept" in (tmp_path / "stopped.end").read_text()
    assert exchange.attempts("job") == []
    last = start(tmp_path, "last")
    out, err = last.communicate(timeout=60)
    assert last.returncode == 0, err
    told = json.loads(out.splitlines()[-1])
    assert (told["rows"], told["chunks"]) == (RECORDS, 4)
    assert 2 <= told["resumed"] < 4
    done = [attempt.token for attempt in exchange.attempts(chunk_job("job", 0))]
    assert sorted(int(token.split("-")[0]) for token in done) == [0, 64, 128, 192]
    assert sum(token.endswith("-last") for token in done) == 4 - told["resumed"]
    for name in ("joined", "whole"):
        (tmp_path / name).mkdir()
    chunks = accounted(spec, results(exchange, "job", {0: "last"}, tmp_path / "scratch"))
    files = folders(exchange, "job", chunks, tmp_path / "scratch")
    join_features(
        accepted=accepted, modalities=synthetic.OPTIONS, chunks=files, out=tmp_path / "joined"
    )
    from components.features.encode import encode

    encode(
        accepted=accepted,
        data_uri=str(accepted),
        modalities=synthetic.OPTIONS,
        cache=tmp_path / "own",
        out=tmp_path / "whole",
    )
    assert digest_folder(tmp_path / "joined") == digest_folder(tmp_path / "whole")


@pytest.fixture
def pod(tmp_path, monkeypatch):
    """Run the entry in this process; gives its exit code and last message."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def run(name="job", config=None, **more):
        for key, value in {**environment(tmp_path, "pod"), **more}.items():
            monkeypatch.setenv(key, value)
        where = f"{tmp_path}/exchange/jobs/{name}"
        code = main(["--config", config or f"{where}/spec.json", "--out", where])
        return code, (tmp_path / "pod.end").read_text()

    yield run
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        (
            {"JOB_COMPLETION_INDEX": "7"},
            64,
            "got '7', wanted a number below 1, the parts of the spec",
        ),
        ({"name": "nowhere"}, 74, "nothing at"),
        ({"config": "spec.json"}, 64, "wanted EXCHANGE/jobs/JOB/spec.json"),
        ({"CONCORD_CODE": "0" * 64}, 69, "build the image from the same sources"),
    ],
)
def test_what_cannot_be_done_ends_with_its_code_and_a_message(job, pod, given, code, said):  # noqa: ARG001
    found = pod(**given)
    assert found[0] == code
    assert said in found[1]


def test_inputs_that_are_gone_are_told_and_tried_again(job, pod):
    spec, exchange = job
    exchange.write_json(f"objects/{spec.parts[0].records}.json", {"digest": "", "files": []})
    code, said = pod()
    assert code == 74
    assert "no complete folder of digest" in said
