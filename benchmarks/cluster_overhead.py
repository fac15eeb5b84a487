"""Cost of a Job over a bare process, on this machine's own warm cluster.

``python -m benchmarks.cluster_overhead`` measures two figures, each with its reference in the same
run: seconds from submission to the first optimiser step (reference: the same training as a bare
process with the same threads), and requests to the API server while a Job trains (at most one in
five seconds). The bare process joins the containers' CPU group where it can; else a busy machine
would share the CPU between the two by different rules.
"""

import argparse
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from components.config.home import CHECKOUT
from components.config.trainer import KubernetesTrainer
from components.exchange.exchange import JOBS, Exchange
from components.pods import handover
from components.pods.code import code_digest
from components.training.spec import TrainSpec
from flows.places.trainer import train
from infra.cluster import Cluster
from infra.failures import JobDeleted
from infra.manifests import Work, job_name
from tests.cluster.faults import block
from tests.cluster.kubectl import Kubectl
from tests.components.pods.pods import own_loss, train_spec
from tests.synthetic import records, write_features
from tools.testcluster import layout

_ALLOWED = 1 / 5
_GROUP = Path("/sys/fs/cgroup/cpu/k8s.io")
"""Where the test cluster's containers get their CPU."""


def bare(spec: TrainSpec, folder: Path) -> float:
    """Seconds from starting a process to its first step."""
    place = folder / f"bare-{spec.training.seed}"
    place.mkdir()
    handover.prepare(spec, Exchange(str(place)), "bare")
    where = f"{place}/{JOBS}/bare"
    command = [
        sys.executable,
        "-m",
        "components.pods.entry",
        "--config",
        f"{where}/spec.json",
        "--out",
        where,
    ]
    own = {
        "CONCORD_CACHE": str(place / "cache"),
        "CONCORD_TERMINATION_LOG": str(place / "end"),
        "OMP_NUM_THREADS": "1",
    }
    if _GROUP.is_dir():
        group = _GROUP / "concord-bare"
        group.mkdir(exist_ok=True)
        command = ["sh", "-c", f'echo $$ > {group}/cgroup.procs; exec "$@"', "sh", *command]
    start = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=CHECKOUT,
        env=os.environ | own,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith('{"step"'):
            break
    seconds = time.monotonic() - start
    process.communicate(timeout=100)
    if _GROUP.is_dir():
        (_GROUP / "concord-bare").rmdir()
    return seconds


def as_job(spec: TrainSpec, trainer: dict[str, Any], folder: Path) -> float:
    """Seconds from the submitting call to the first step reported here."""
    out = folder / f"job-{spec.training.seed}"
    out.mkdir()
    first: list[float] = []
    start = time.monotonic()
    clean = train(
        spec,
        out=out,
        checkpoints=folder / "state",
        progress=lambda *_: first.append(time.monotonic()),
        trainer=KubernetesTrainer.model_validate(trainer),
        run="overhead",
        say=lambda _: None,
    )
    assert clean is not None
    clean()
    return first[0] - start


def requests(folder: Path, trainer: dict[str, Any], seconds: float) -> float:
    """Requests per second while a Job trains and its logs are followed."""
    (folder / "long.py").write_text(own_loss("time.sleep(0.5)"), encoding="utf-8")
    training = {"epochs": 1000, "checkpoint_every": 1000}
    spec = train_spec(
        folder / "features", losses={"long.py": {}}, base=str(folder), training=training
    )
    config = KubernetesTrainer.model_validate(trainer)
    exchange, name = (
        Exchange(config.exchange.uri),
        job_name("train", handover.work_digest(spec), code_digest()),
    )
    handover.prepare(spec, exchange, name, config.exchange.pod_uri)
    inside = f"{config.exchange.inside}/{JOBS}/{name}"
    work = Work(
        name=name,
        task="train",
        run="overhead",
        config=f"{inside}/spec.json",
        out=inside,
        code=code_digest(),
    )
    cluster, stepped = Cluster(config, say=lambda _: None), threading.Event()
    uid, _ = cluster.submit(work, usable=lambda _: False)

    def take(line: str) -> None:
        if '"what"' in line:
            stepped.set()

    def watch() -> None:
        with suppress(JobDeleted):  # cancelled below, after counting
            cluster.watch(name, uid, take=take)

    threading.Thread(target=watch, daemon=True).start()
    assert stepped.wait(120), "no first step in two minutes"
    time.sleep(5)
    before, start = cluster.transport.requests, time.monotonic()
    time.sleep(seconds)
    rate = (cluster.transport.requests - before) / (time.monotonic() - start)
    Cluster(config, say=lambda _: None).cancel(name, uid)
    return rate


def measure(runs: int, seconds: float) -> dict[str, Any]:
    """Both figures."""
    kubeconfig = os.environ.setdefault("KUBECONFIG", str(layout.KUBECONFIG))
    kubectl, namespace = Kubectl(Path(kubeconfig)), f"overhead-{secrets.token_hex(3)}"
    kubectl("create", "namespace", namespace)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        exchange = folder / "exchange"
        exchange.mkdir()
        exchange.chmod(0o1777)
        trainer = block(exchange, namespace) | {"cpu": 1}
        write_features(folder / "features", records(300, labelled=0.3))
        specs = [
            train_spec(folder / "features", training={"seed": seed}) for seed in range(runs + 1)
        ]
        as_job(specs[0], trainer, folder)  # warm
        bare(specs[0], folder)
        alone, jobs = [], []
        for spec in specs[1:]:  # in turns: the machine may be busy with other things
            alone.append(bare(spec, folder))
            jobs.append(as_job(spec, trainer, folder))
        try:
            rate = requests(folder, trainer, seconds)
        finally:
            kubectl("delete", "namespace", namespace, "--wait=false")
    over = [j - b for j, b in zip(jobs, alone, strict=True)]
    return {
        "first_step_bare_s": [round(s, 2) for s in alone],
        "first_step_as_job_s": [round(s, 2) for s in jobs],
        "over_bare_s_median": round(statistics.median(over), 2),
        "requests_per_second": round(rate, 3),
        "requests_allowed_per_second": _ALLOWED,
        "load": round(os.getloadavg()[0], 1),
    }


def main() -> int:
    """Measure a Job's cost over a bare process and print it as JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cluster_overhead", description=main.__doc__
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument(
        "--seconds", type=float, default=120.0, help="how long requests are counted"
    )
    given = parser.parse_args()
    print(json.dumps(measure(given.runs, given.seconds), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
