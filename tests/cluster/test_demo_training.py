"""The demo's training on the cluster (one Job, two pods; by folder and by S3) and here, compared.

It takes minutes, so it runs only by name:
``pytest -m "cluster and slow" tests/cluster/test_demo_training.py -s`` prints the table.

Two pods add numbers in another order than one process does. Hundreds of steps amplify that rounding
just as they amplify the rounding of another number of threads in one process; the same run measures
the latter as the yardstick for the former.
"""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from components.config import run as configuration
from components.config.home import CHECKOUT, Home
from components.config.trainer import KubernetesTrainer
from components.core.files import read_json
from components.core.refs import Ref
from components.features.store import Features
from components.model import storage
from components.model.inference import infer
from components.training.run import run as run_here
from flows.places.trainer import train
from flows.steps.step import Call, Job, named, needed, walk
from flows.steps.table import steps_for
from flows.steps.work import train_spec
from tests.cluster.s3_server import S3Server

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(900)]

DEMO = CHECKOUT / "conf" / "demo.yaml"


@dataclass(frozen=True)
class Here:
    """The demo's training in this process."""

    job: Job
    outputs: dict[str, Ref]
    out: Path
    seconds: float


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """Walk the demo's steps up to ``train`` in a state folder of their own."""
    config = configuration.load(DEMO)
    if not Path(config.data.uri).exists():
        from components.glyphs.glyphs import make_glyphs

        make_glyphs(Path(config.data.uri))
    home = Home(root=tmp_path_factory.mktemp("here"))
    job = Job.opened(config, base=DEMO.parent, home=home)
    results = list(walk(needed(steps_for(config, job.manifest), "train"), job))
    outputs = {result.name: result.ref for result in results}
    return Here(job=job, outputs=outputs, out=outputs["train"].path, seconds=results[-1].seconds)


def spec_of(here: Here, out: Path):
    """The student's training of the demo."""
    step = named(steps_for(here.job.config, here.job.manifest), "train")
    return train_spec(
        Call(step=step, job=here.job, inputs=step.given(here.outputs), key="", out=out)
    )


def differences(here: Here, out: Path) -> tuple[float, float]:
    """Largest difference of an epoch's loss, and of a student's logit on unseen records."""
    mine, theirs = (read_json(f / "student" / "history.json")["epochs"] for f in (here.out, out))
    losses = max(abs(a[k] - b[k]) for a, b in zip(mine, theirs, strict=True) for k in a)
    features = Features.load(here.outputs["encode"].path)
    rows = np.flatnonzero((features.splits != "train") & features.present.any(axis=1))
    logits = [
        infer(storage.load(f / "student"), features.arrays, features.present, rows).logits
        for f in (here.out, out)
    ]
    return losses, float(np.abs(logits[0] - logits[1]).max())


def run(here: Here, block: dict, out: Path) -> float:
    """The ``train`` step with a trainer block; returns its seconds."""
    start = time.monotonic()
    lines: list[str] = []
    spec = spec_of(here, out)
    clean = train(
        spec,
        out=out,
        checkpoints=out.parent / "state",
        progress=lambda *_: None,
        trainer=KubernetesTrainer.model_validate(block),
        run="proof",
        say=lines.append,
    )
    assert clean is not None
    clean()
    return time.monotonic() - start


def through_s3(block: dict, s3: S3Server, kubectl, prefix: str) -> dict:
    """The block with an S3 exchange; a Secret holds the credentials."""
    namespace = block["namespace"]
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s3"},
        "stringData": s3.env,
    }
    kubectl.apply(secret, namespace)
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    plain = {k: v for k, v in s3.env.items() if k not in keys}
    return {
        **block,
        "exchange": {"uri": s3.uri(prefix)},
        "volumes": [v for v in block["volumes"] if v["name"] != "exchange"],
        "secrets": [{"env": k, "secret": "s3", "key": k} for k in keys],
        "env": {**block["env"], **plain},
    }


@pytest.fixture(scope="module")
def rounding(here, tmp_path_factory):
    """Differences of losses and logits with another number of threads in this process."""
    out, threads = tmp_path_factory.mktemp("threads"), torch.get_num_threads()
    torch.set_num_threads(1 if threads > 1 else 2)
    try:
        run_here(spec_of(here, out), out=out)
    finally:
        torch.set_num_threads(threads)
    return differences(here, out)


def block_for(request, trainer, kubectl, place, nodes):
    """One pod has the threads that this process has; two share the machine's cores."""
    block = {
        **trainer,
        "nodes": nodes,
        "cpu": max(1, torch.get_num_threads() // nodes),
        "memory": "4Gi",
    }
    if place == "folder":
        return block
    s3 = request.getfixturevalue("s3")
    for name, value in s3.env.items():
        request.getfixturevalue("monkeypatch").setenv(name, value)
    return through_s3(block, s3, kubectl, f"demo-{nodes}")


def shown(capsys, **row):
    """One line of the table in docs/results.md."""
    with capsys.disabled():
        print(json.dumps(row))  # noqa: T201


@pytest.mark.parametrize("place", ["folder", "s3"])
def test_one_job_trains_the_demos_student_as_this_process_does(
    here, trainer, tmp_path, request, kubectl, capsys, place
):
    out = tmp_path / "out"
    out.mkdir()
    seconds = run(here, block_for(request, trainer, kubectl, place, 1), out)
    losses, logits = differences(here, out)
    shown(
        capsys,
        pods=1,
        exchange=place,
        losses=losses,
        logits=logits,
        over_local=seconds / here.seconds,
    )
    assert losses <= 1e-6
    assert logits <= 1e-6


@pytest.mark.parametrize("place", ["folder", "s3"])
def test_two_pods_differ_by_no_more_than_two_thread_counts_do(
    here, trainer, tmp_path, request, kubectl, capsys, rounding, place
):
    out = tmp_path / "out"
    out.mkdir()
    seconds = run(here, block_for(request, trainer, kubectl, place, 2), out)
    losses, logits = differences(here, out)
    shown(
        capsys,
        pods=2,
        exchange=place,
        losses=losses,
        logits=logits,
        over_local=seconds / here.seconds,
        threads=rounding,
    )
    assert losses <= 2 * rounding[0]
    assert logits <= 2 * rounding[1]


def test_the_whole_demo_with_only_the_trainer_block_changed(trainer, tmp_path, capsys):
    """`concord run` from this machine: every training is a Job, the champion is promoted."""
    tree = yaml.safe_load(DEMO.read_text(encoding="utf-8"))
    tree["data"]["uri"] = str(CHECKOUT / "data" / "glyphs")
    tree["trainer"] = {**trainer, "cpu": os.cpu_count() or 1, "memory": "4Gi"}
    config = tmp_path / "demo.yaml"
    config.write_text(yaml.safe_dump(tree), encoding="utf-8")
    environment = os.environ | {"CONCORD_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-m", "flows.cli", "run", str(config), "--json"]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr[-4000:]
    result = json.loads(done.stdout)
    assert result["verdict"] == "promote"
    for task in ("train", "baselines"):
        assert f"Job concord-{task}-" in done.stderr, done.stderr[-4000:]
    with capsys.disabled():
        print(json.dumps({"accuracy": result["metrics"]["accuracy"], "verdict": result["verdict"]}))  # noqa: T201
