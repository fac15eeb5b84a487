"""Training as a Job: the local result, correct reports of failure, one Job despite kills."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import pytest
from safetensors.numpy import load_file

from components.config.home import CHECKOUT
from components.core.files import read_json
from components.pods.code import code_digest
from components.pods.handover import work_digest
from infra import failures
from infra.manifests import job_name
from tests.cluster.running import Running, here
from tests.components.pods.pods import own_loss, train_spec
from tests.synthetic import records, write_features

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    folder = tmp_path_factory.mktemp("features") / "features"
    write_features(folder, records(300, labelled=0.3))
    return folder


def with_loss(features, folder, body, **training):
    """A training run with a user's own loss that has a side effect."""
    (folder / "own.py").write_text(own_loss(body))
    return train_spec(features, losses={"own.py": {}}, base=str(folder), training=training)


def failing(spec, block, tmp_path, kind, match):
    job = Running(spec, block, tmp_path / "out")
    with pytest.raises(kind, match=match) as caught:
        job.ended()
    return caught.value


def left(kubectl, namespace, spec):
    """The numbers of Jobs and pods of a training run."""
    name = job_name(spec.task, work_digest(spec), code_digest())
    return [
        len(kubectl.json("-n", namespace, "get", kind, "-l", f"concord/job={name}")["items"])
        for kind in ("jobs", "pods")
    ]


def slow(features, seed):
    """A training run of some seconds, distinct for each test."""
    return train_spec(features, training={"epochs": 50, "seed": seed})


@pytest.fixture
def quota(kubectl, namespace):
    """At most 1 GiB of memory in the namespace."""
    kubectl("-n", namespace, "create", "quota", "small", "--hard=requests.memory=1Gi")
    yield
    kubectl("-n", namespace, "delete", "quota", "small")


def test_a_training_as_a_job_is_the_training_here(features, trainer, tmp_path, kubectl, namespace):
    spec = slow(features, 1)
    job = Running(spec, {**trainer, "cpu": 1}, tmp_path / "out")
    (attempt,) = job.ended()
    local = here(spec, tmp_path / "here")
    mine, theirs = (
        load_file(f / "model" / "weights.safetensors") for f in (local, tmp_path / "out")
    )
    assert mine.keys() == theirs.keys()
    for name in mine:
        np.testing.assert_allclose(mine[name], theirs[name], atol=1e-6, rtol=0)
    losses = [
        read_json(f / "student" / "history.json")["epochs"] for f in (local, tmp_path / "out")
    ]
    for a, b in zip(*losses, strict=True):
        assert a == pytest.approx(b, abs=1e-6)
    assert attempt.about["executed_steps"] == attempt.about["steps"]
    assert left(kubectl, namespace, spec)[0] == 0
    assert not job.exchange.names(f"jobs/{job.name}")


def test_a_users_bug_fails_at_once_with_its_message(features, trainer, tmp_path):
    spec = with_loss(features, tmp_path, 'raise RuntimeError("my own mistake")')
    error = failing(spec, trainer, tmp_path, failures.UserBug, "RuntimeError: my own mistake")
    assert any("my own mistake" in line for line in error.log)


def test_out_of_memory_is_named_as_such(features, trainer, tmp_path, kubectl, namespace):
    spec = with_loss(features, tmp_path, "torch.ones(1_500_000_000).sum()")  # 6 GB
    failing(spec, {**trainer, "memory": "2Gi"}, tmp_path, failures.OutOfMemory, "limit of 2Gi")
    assert left(kubectl, namespace, spec) == [0, 0]


def test_the_time_budget_is_kept(features, trainer, tmp_path):
    spec = with_loss(features, tmp_path, "time.sleep(2)")
    block = {**trainer, "time_budget_s": 15, "grace_period_s": 5}
    error = failing(spec, block, tmp_path, failures.TimeBudgetExceeded, "time budget of 15 s")
    assert "resumes from its last checkpoint" in str(error)


@pytest.mark.usefixtures("quota")
def test_a_quota_that_can_never_be_met_is_reported_as_such(features, trainer, tmp_path):
    start = time.monotonic()
    error = failing(
        train_spec(features), trainer, tmp_path, failures.QuotaExceeded, "exceeded quota: small"
    )
    assert "requests.memory=3Gi" in str(error)
    assert time.monotonic() - start <= 30


@pytest.mark.parametrize(
    ("image", "policy"), [("concord/none:1", "Never"), ("registry.invalid/none:1", "IfNotPresent")]
)
def test_an_image_that_cannot_be_had_is_reported_as_such(
    features, trainer, tmp_path, image, policy
):
    start = time.monotonic()
    block = {**trainer, "image": image, "image_pull_policy": policy}
    failing(train_spec(features), block, tmp_path, failures.ImagePullFailed, image)
    assert time.monotonic() - start <= 45


def test_an_unknown_secret_is_reported_as_such(features, trainer, tmp_path):
    block = {**trainer, "secrets": [{"env": "KEY", "secret": "nowhere", "key": "k"}]}
    error = failing(
        train_spec(features), block, tmp_path, failures.CannotStart, 'secret "nowhere" not found'
    )
    assert "trainer.secrets" in str(error)


def test_a_queue_holds_the_job_lets_it_go_and_takes_it_back(
    features, trainer, tmp_path, kubectl, namespace
):
    spec = slow(features, 2)
    job = Running(spec, {**trainer, "queue": "gpus", "checkpoint_steps": 5}, tmp_path / "out")
    job.until(lambda: any("waiting in queue gpus" in words for words in job.said))
    made = kubectl.json("-n", namespace, "get", "job", job.name)
    assert made["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpus"
    assert left(kubectl, namespace, spec) == [1, 0]

    def suspend(value):
        kubectl(
            "-n",
            namespace,
            "patch",
            "job",
            job.name,
            "--type=merge",
            "-p",
            json.dumps({"spec": {"suspend": value}}),
        )

    suspend(False)
    job.until(lambda: job.step > 10)
    suspend(True)
    job.until(lambda: left(kubectl, namespace, spec) == [1, 0])
    suspend(False)
    (attempt,) = job.ended()
    assert attempt.about["resumed_from"] >= 5


def jobs(kubectl, namespace):
    """UIDs of all Jobs."""
    return {j["metadata"]["uid"] for j in kubectl.json("-n", namespace, "get", "jobs")["items"]}


@contextmanager
def started(tmp_path, spec, block, out):
    """A process that trains on the cluster, killed when the block ends; its output is in a log."""
    (tmp_path / "spec.json").write_text(spec.model_dump_json())
    (tmp_path / "block.json").write_text(json.dumps(block))
    arguments = [str(tmp_path / "spec.json"), str(tmp_path / "block.json"), str(tmp_path / out)]
    command = [sys.executable, "-m", "tests.cluster.one_training", *arguments]
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    with (
        (tmp_path / f"{out}.log").open("w") as log,
        subprocess.Popen(command, cwd=CHECKOUT, stdout=log, stderr=log, env=environment) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def words_come(tmp_path, out, words, seconds=120):
    end = time.monotonic() + seconds
    while words not in (text := (tmp_path / f"{out}.log").read_text()):
        assert time.monotonic() < end, text
        time.sleep(0.1)


def test_a_killed_run_is_found_again_by_the_next_one(
    features, trainer, tmp_path, kubectl, namespace
):
    spec = slow(features, 3)
    with started(tmp_path, spec, trainer, "first"):
        words_come(tmp_path, "first", "running on")
    before = jobs(kubectl, namespace)
    with started(tmp_path, spec, trainer, "second") as second:
        words_come(tmp_path, "second", "found Job")
        assert jobs(kubectl, namespace) == before
        assert second.wait(180) == 0, (tmp_path / "second.log").read_text()
    assert (tmp_path / "second" / "model" / "weights.safetensors").is_file()


def test_a_cancelled_run_takes_its_job_along(features, trainer, tmp_path, kubectl, namespace):
    spec = slow(features, 4)
    with started(tmp_path, spec, trainer, "run") as run:
        words_come(tmp_path, "run", "running on")
        run.send_signal(signal.SIGINT)
        run.wait(60)
    assert "cancelled: deleting Job" in (tmp_path / "run.log").read_text()
    assert left(kubectl, namespace, spec) == [0, 0]


def test_two_runs_of_the_same_work_share_one_job(features, trainer, tmp_path):
    spec = slow(features, 5)
    runs = [Running(spec, trainer, tmp_path / f"{n}" / "out") for n in range(2)]
    for run in runs:  # else the first one might be cleaned before the second has begun
        run.until(lambda run=run: any(f"Job {run.name}" in line for line in run.said))
    found = [run.ended() for run in runs]
    assert [a.token for a in found[0]] == [a.token for a in found[1]]
    assert sum(any(w.startswith("found Job") for w in run.said) for run in runs) == 1
    mine, theirs = (
        (tmp_path / f"{n}" / "out" / "model" / "weights.safetensors").read_bytes() for n in range(2)
    )
    assert mine == theirs
