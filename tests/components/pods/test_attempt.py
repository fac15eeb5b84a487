import os
import signal
import sys

import pytest

from components.core.files import read_json
from components.core.refs import digest_folder
from components.exchange.exchange import Exchange
from components.pods import handover
from components.pods.entry import main, perform
from components.pods.pod import Pod, Stop
from components.training.run import run
from tests.components.pods.pods import command, end, figures, job, start, train_spec
from tests.synthetic import records, write_features

ENGINES = ["prefect", "mlflow", "bentoml", "great_expectations", "dvc", "kubernetes"]


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    folder = tmp_path_factory.mktemp("features") / "features"
    write_features(folder, records(300, labelled=0.3))
    return folder


@pytest.fixture(scope="module")
def undisturbed(features, tmp_path_factory):
    """The result of the same training in this process, without a pod."""
    out = tmp_path_factory.mktemp("undisturbed")
    run(train_spec(features), out=out)
    return out


def collected(exchange, tmp_path, token=None):
    token = handover.complete(exchange, "job", [token] if token else [])
    about = exchange.fetch_attempt("job", token, tmp_path / "result")
    return about, digest_folder(tmp_path / "result")


def test_a_pod_gives_what_a_run_without_it_gives_and_says_how(
    features, undisturbed, tmp_path, capsys
):
    """An in-memory fsspec store stands for an object store."""
    exchange = Exchange("memory://bucket/a")
    exchange.write("here", b"")
    handover.prepare(train_spec(features), exchange, "job")
    perform(
        "memory://bucket/a/jobs/job/spec.json",
        "memory://bucket/a/jobs/job",
        Pod.read({"CONCORD_ATTEMPT": "t", "CONCORD_CACHE": str(tmp_path / "c")}),
        Stop(),
    )
    about, digest = collected(exchange, tmp_path, "t")
    assert digest == digest_folder(undisturbed)
    assert (
        about["history"]["student"] == read_json(undisturbed / "student" / "history.json")["epochs"]
    )
    assert (about["steps"], about["resumed_from"], about["executed_steps"]) == (36, 0, 36)
    assert (about["device"], about["world_size"]) == ("cpu", 1)
    assert figures(capsys.readouterr().err)[0] == {"step": 1, "total": 36, "what": "student"}


def test_a_job_that_is_done_is_not_done_again(features, tmp_path, capsys):
    exchange = job(tmp_path, train_spec(features))
    exchange.put_attempt("job", "earlier", features, {})
    where = f"{exchange.uri}/jobs/job"
    perform(
        f"{where}/spec.json",
        where,
        Pod.read({"CONCORD_ATTEMPT": "later", "CONCORD_CACHE": str(tmp_path / "c")}),
        Stop(),
    )
    assert [a.token for a in exchange.attempts("job")] == ["earlier"]
    assert "earlier has already finished" in capsys.readouterr().err


BLOCKED = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {engines}:
            raise ImportError(name + " is not in this image")
sys.meta_path.insert(0, Blocker())
import runpy
sys.argv = ["entry"] + {arguments}
runpy.run_module("components.pods.entry", run_name="__main__")
"""


def stopped(process, text, number):
    """Send a signal when standard error has a line with a text; the exit code."""
    for line in process.stderr:
        if text in line:
            os.kill(process.pid, number)
            break
    return end(process)[0]


def test_killed_and_stopped_pods_without_engines_go_on_to_the_same_weights(
    features, undisturbed, tmp_path
):
    """A real SIGKILL, then SIGTERM, after which no step is repeated."""
    exchange = job(tmp_path, train_spec(features))
    code = BLOCKED.format(engines=ENGINES, arguments=command(tmp_path)[3:])
    arguments = [sys.executable, "-c", code]
    first = start(tmp_path, "first", arguments=arguments, CONCORD_CHECKPOINT_STEPS="1")
    assert stopped(first, '"step": 2', signal.SIGKILL) == -signal.SIGKILL
    second = start(tmp_path, "second", arguments=arguments)
    assert stopped(second, '"step"', signal.SIGTERM) == 75
    told = (tmp_path / "second.end").read_text()
    assert "stopped after step" in told
    done = int(told.split("step ")[1].split()[0])
    assert 2 <= done < 36
    assert exchange.attempts("job") == []
    code, _, err = end(start(tmp_path, "third", arguments=arguments))
    assert code == 0, err
    about, digest = collected(exchange, tmp_path, "third")
    assert about["resumed_from"] == done
    assert about["executed_steps"] == 36 - done
    assert digest == digest_folder(undisturbed)


BUG = """
from dataclasses import dataclass
@dataclass(frozen=True, kw_only=True)
class Config:
    pass
def build(config):
    def loss(output, targets, weights, present):
        return output.logits[999_999].sum()
    return loss
"""


def test_a_bug_in_a_users_own_loss_travels_and_is_told_from_other_ends(features, tmp_path):
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "my_loss.py").write_text(BUG)
    spec = train_spec(features, losses={"./my_loss.py": {}}, base=str(tmp_path / "conf"))
    job(tmp_path, spec)
    (tmp_path / "conf" / "my_loss.py").unlink()  # the pod has its own copy
    code, _, _ = end(start(tmp_path, "t"))
    assert code == 70
    assert "IndexError" in (tmp_path / "t.end").read_text()
    assert "my_loss.py" in (tmp_path / "t.end").read_text()


def test_the_ends_that_need_no_training(features, tmp_path, monkeypatch):
    log = tmp_path / "end"
    monkeypatch.setenv("CONCORD_TERMINATION_LOG", str(log))
    monkeypatch.setenv("CONCORD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("signal.signal", lambda *_: None)
    exchange = job(tmp_path, train_spec(features))
    arguments = command(tmp_path)[3:]

    def code(arguments=arguments, **variables):
        with monkeypatch.context() as context:
            for name, value in variables.items():
                context.setenv(name, value)
            return main(arguments)

    assert code([]) == 64
    assert code(["--config", "x", "--out", "y"]) == 64
    assert code(CONCORD_GPUS="two") == 64
    assert "CONCORD_GPUS" in log.read_text()
    assert code(CONCORD_CODE="0" * 64) == 69
    assert "image holds code" in log.read_text()
    assert code(CONCORD_DEVICE="cuda", CONCORD_GPUS="3") == 69
    assert "wanted 3" in log.read_text()
    gone = str(tmp_path / "gone")
    assert code(["--config", f"{gone}/jobs/job/spec.json", "--out", f"{gone}/jobs/job"]) == 74
    assert "nothing at" in log.read_text()
    exchange.write_json("jobs/job/spec.json", {})
    assert code() == 64
    unlabelled = tmp_path / "unlabelled"
    write_features(unlabelled, records(40, labelled=0.0))
    handover.prepare(train_spec(unlabelled), exchange, "job")
    assert code() == 65
    assert "visible label" in log.read_text()
    assert exchange.attempts("job") == []
