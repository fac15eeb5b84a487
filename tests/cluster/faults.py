"""Seeded fault runs: ``python -m tests.cluster.faults --runs 100 --seed 0``.

They use the cluster of ``KUBECONFIG``. Each run trains the same tiny model as a Job and suffers one
fault while the Job is active; a run whose fault fired outside that time is repeated. Asserted: the
result is bit-identical to an undisturbed run's, the Job succeeded, there was one Job and one
result, and Kubernetes never counted two pods as training.
"""

import argparse
import json
import os
import random
import secrets
import shutil
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from components.config.trainer import KubernetesTrainer
from components.core.refs import digest_folder
from components.exchange.exchange import Exchange
from components.pods.code import code_digest
from components.pods.handover import work_digest
from components.training.spec import TrainSpec
from flows.places.trainer import train
from infra.manifests import job_name
from tests.cluster.blocks import sharing
from tests.cluster.hurting import ALL, NODES, Hurting
from tests.cluster.kubectl import Kubectl
from tests.cluster.observer import Observer
from tests.cluster.proxy import Proxy
from tests.components.pods.pods import train_spec
from tests.synthetic import records, write_features
from tools.testcluster import layout

_LONGEST_S = 240.0
_EPOCHS = 40


@dataclass(kw_only=True)
class Result:
    """One run."""

    number: int
    kind: str
    moment: str
    fired: bool
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0
    resumed_from: int = 0
    pods: int = 0


class Bench:
    """The place of all runs: a folder, a namespace and a training.

    Args:
        folder: of this machine, also mounted by pods.
        kubeconfig: of the real server.
        namespace: for the Jobs.
    """

    def __init__(self, folder: Path, kubeconfig: str, namespace: str) -> None:
        self.folder, self.kubeconfig, self.namespace = folder, kubeconfig, namespace
        self.kubectl = Kubectl(Path(kubeconfig))
        write_features(folder / "features", records(300, labelled=0.3))
        self.spec: TrainSpec = train_spec(
            folder / "features",
            training={"epochs": _EPOCHS, "checkpoint_every": _EPOCHS},
        )
        self.name = job_name(self.spec.task, work_digest(self.spec), code_digest())
        self.reference = ""

    def run(self, number: int, kind: str, seed: int) -> Result:
        """Train once with one fault."""
        chance = random.Random(f"{seed}-{number}")
        exchange = self.folder / f"exchange-{number}-{secrets.token_hex(2)}"
        exchange.mkdir()
        exchange.chmod(0o1777)
        start = time.monotonic()
        with (
            Observer(self.kubeconfig, self.namespace, self.name) as observer,
            tempfile.TemporaryDirectory() as place,
            Proxy(
                Path(place), self.kubeconfig, seed=chance.randrange(2**32), active=observer.active
            ) as proxy,
        ):
            work = _Training(self, exchange, str(proxy.kubeconfig))
            hurting = (
                Hurting(kind, chance, observer, proxy, self.kubectl, lambda: work.stepped)
                if kind
                else None
            )
            result = Result(
                number=number, kind=kind, moment=hurting.moment if hurting else "", fired=False
            )
            work.start()
            if hurting:
                hurting.run()
            work.join(_LONGEST_S)
            proxy.disarm()
            observer.until(lambda _: False, timeout=1.0)  # a last look
            if hurting:
                result.fired = hurting.fired or any(
                    f.active or "POST" in f.request for f in proxy.fired
                )
            result.wrong = [*self._wrong(work, observer, exchange), *work.clean()]
            result.resumed_from, result.pods = work.resumed_from, len(observer.pods)
        if result.wrong:
            self.kubectl("-n", self.namespace, "delete", "jobs", "--all")
        else:
            shutil.rmtree(exchange)
        result.seconds = round(time.monotonic() - start, 1)
        return result

    def _wrong(self, work: "_Training", observer: Observer, exchange: Path) -> list[str]:
        if work.is_alive():
            return [f"lost: no end after {_LONGEST_S:.0f} s"]
        if work.error is not None:
            return [f"final state: {type(work.error).__name__}: {work.error}"]
        found = []
        if observer.ended != "succeeded":
            found.append(f"final state: the Job was seen as {observer.ended or 'not ended'}")
        if len(observer.jobs) != 1:
            found.append(f"duplicate: {len(observer.jobs)} Jobs")
        if observer.most_live > 1:
            found.append(f"duplicate: {observer.most_live} live pods at once")
        attempts = Exchange(str(exchange)).attempts(self.name)
        if len(attempts) != 1:
            found.append(f"duplicate: {len(attempts)} complete results")
        else:
            work.resumed_from = int(attempts[0].about["resumed_from"])
        digest = digest_folder(work.out)
        if self.reference and digest != self.reference:
            found.append(f"result: digest {digest[:12]}, undisturbed {self.reference[:12]}")
        self.reference = self.reference or digest
        return found


class _Training(threading.Thread):
    """Training as in a run of Concord, through the proxy."""

    def __init__(self, bench: Bench, exchange: Path, kubeconfig: str) -> None:
        super().__init__(daemon=True)
        self._bench, self._kubeconfig = bench, kubeconfig
        self._config = KubernetesTrainer.model_validate(block(exchange, bench.namespace))
        self.out = exchange / "out"
        self.stepped = False
        self.error: Exception | None = None
        self.said: list[str] = []
        self.resumed_from = 0
        self._clean: Any = None

    def run(self) -> None:
        os.environ["KUBECONFIG"] = self._kubeconfig
        self.out.mkdir()
        try:
            self._clean = train(
                self._bench.spec,
                out=self.out,
                checkpoints=self.out.with_name("state"),
                progress=self._step,
                trainer=self._config,
                run="faults",
                say=self.said.append,
            )
        except Exception as error:
            self.error = error

    def clean(self) -> list[str]:
        """The clean-up that a run does once the result is stored."""
        try:
            if self._clean:
                self._clean()
        except Exception as error:
            return [f"clean: {error}"]
        return []

    def _step(self, what: str, done: int, total: int) -> None:  # noqa: ARG002
        self.stepped = True


def block(exchange: Path, namespace: str) -> dict[str, Any]:
    """The trainer block of every run."""
    return {**sharing(exchange, namespace), "checkpoint_steps": 10}


def campaign(
    runs: int, seed: int, *, kubeconfig: str, folder: Path, kinds: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Run until enough runs count; the summary lists the errors of each."""
    may = kinds or tuple(k for k in ALL if k not in NODES or kubeconfig == str(layout.KUBECONFIG))
    order = random.Random(seed)
    namespace = f"faults-{secrets.token_hex(3)}"
    Kubectl(Path(kubeconfig))("create", "namespace", namespace)
    results: list[Result] = []
    repeated, number, queue = 0, 0, []
    start = time.monotonic()
    try:
        bench = Bench(folder, kubeconfig, namespace)
        if wrong := bench.run(-1, "", seed).wrong:
            return {"error": f"the undisturbed run failed: {wrong}"}
        while len(results) < runs:
            queue = queue or order.sample(may, len(may))
            kind, number = queue.pop(), number + 1
            result = bench.run(number, kind, seed)
            while not result.fired and not result.wrong:
                repeated, number = repeated + 1, number + 1
                result = bench.run(number, kind, seed)
            results.append(result)
            sys.stderr.write(json.dumps(asdict(result)) + "\n")
            sys.stderr.flush()
    finally:
        os.environ["KUBECONFIG"] = kubeconfig
        Kubectl(Path(kubeconfig))("delete", "namespace", namespace, "--wait=false")
    return summary(results, seed=seed, repeated=repeated, seconds=time.monotonic() - start)


def summary(results: list[Result], *, seed: int, repeated: int, seconds: float) -> dict[str, Any]:
    """Counts over all runs that count."""

    def count(word: str) -> int:
        return sum(any(w.startswith(word) for w in r.wrong) for r in results)

    return {
        "runs": len(results),
        "seed": seed,
        "by_fault": {
            kind: sum(r.kind == kind for r in results)
            for kind in ALL
            if any(r.kind == kind for r in results)
        },
        "did_not_count": repeated,
        "lost_results": count("lost") + count("result"),
        "duplicated_trainings": count("duplicate"),
        "wrong_final_states": count("final state"),
        "other": count("clean"),
        "with_several_pods": sum(r.pods > 1 for r in results),
        "resumed_from_a_checkpoint": sum(r.resumed_from > 0 for r in results),
        "seconds": round(seconds, 1),
        "seconds_each": round(seconds / max(1, len(results) + repeated), 1),
        "wrong": [asdict(r) for r in results if r.wrong],
    }


def main() -> int:
    """Run a campaign and print its summary as JSON; exit code 1 if anything was wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.cluster.faults", description=main.__doc__
    )
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--only", nargs="*", default=[], choices=ALL, help="these faults instead of all"
    )
    given = parser.parse_args()
    kubeconfig = os.environ.get("KUBECONFIG") or str(layout.KUBECONFIG)
    with tempfile.TemporaryDirectory(prefix="concord-faults-") as folder:
        Path(folder).chmod(0o755)
        found = campaign(
            given.runs,
            given.seed,
            kubeconfig=kubeconfig,
            folder=Path(folder),
            kinds=tuple(given.only),
        )
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    return 1 if found.get("error") or found["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
