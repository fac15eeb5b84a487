"""The flow itself as a pod: local servers, a work pool, a worker with minimal rights, a deployment.

``python -m tests.cluster.flow_pod conf/demo.yaml`` runs a configuration with its data that way and
prints the outcome.
"""

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from components.config.home import CHECKOUT, Home
from components.registry.ledger import Ledger
from components.registry.mlflow_store import Registry
from tests import postgres, servers
from tests.cluster.kubectl import Kubectl
from tools.testcluster import images, layout, machine

_CODE = (
    *("components", "concord_entry", "flows", "serving", "infra"),
    *("conf", "prefect.yaml", "pyproject.toml"),
)
_ACCOUNTS = ("ServiceAccount", "Role", "RoleBinding")
_FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


@dataclass
class Team:
    """Everything that a flow in the cluster needs, running."""

    kubectl: Kubectl
    namespace: str
    folder: Path
    """Of this machine: ``code``, ``data``, ``exchange`` and ``home`` are mounted by pods."""
    database: str = field(repr=False)
    mlflow: str
    prefect: str

    @property
    def home(self) -> Home:
        """The state as this machine sees it."""
        return Home(root=self.folder / "home", database=self.database, server=self.mlflow)

    @property
    def environment(self) -> dict[str, str]:
        """For Prefect's commands."""
        return {
            **os.environ,
            "PREFECT_API_URL": self.prefect,
            "PREFECT_HOME": str(self.folder / "prefect"),
            "PREFECT_LOGGING_LEVEL": "INFO",
            "DO_NOT_TRACK": "1",
        }

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Call Prefect's server."""
        answer = httpx.request(
            method, f"{self.prefect}/{path}", json=body, timeout=60
        ).raise_for_status()
        return answer.json() if answer.content else None

    def command(self, *arguments: str, **environment: str) -> str:
        """Run one of Prefect's commands."""
        command = [sys.executable, "-m", "prefect", "--no-prompt", *arguments]
        environment = self.environment | environment
        done = subprocess.run(
            command,
            cwd=CHECKOUT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def run(self, config: str, seconds: float) -> dict[str, Any]:
        """Run the deployment once; return the flow run's final state with its logs."""
        deployment = self.call("GET", "deployments/name/retrain/retrain-cluster")
        asked = self.call(
            "POST",
            f"deployments/{deployment['id']}/create_flow_run",
            {"parameters": {"config": config}},
        )
        end = time.monotonic() + seconds
        while (run := self.call("GET", f"flow_runs/{asked['id']}"))["state_type"] not in _FINAL:
            assert time.monotonic() < end, (
                f"{run['state_name']}: {self.logs(asked['id'])}\n{self.described()}"
            )
            time.sleep(2)
        return run | {"logs": self.logs(asked["id"])}

    def logs(self, run: str) -> str:
        """Logs of a flow run's pod, its training pods and its worker."""
        lines: list[str] = []
        while page := self.call(
            "POST",
            "logs/filter",
            {"logs": {"flow_run_id": {"any_": [run]}}, "offset": len(lines), "limit": 200},
        ):
            lines += [line["message"] for line in page]
        return "\n".join(lines)

    def described(self) -> str:
        """Describe the namespace's pods and events for a failure's message."""
        return self.kubectl("-n", self.namespace, "get", "pods,jobs,events", "-o", "wide")


@contextlib.contextmanager
def team(kubectl: Kubectl, namespace: str, folder: Path, kubeconfig: Path) -> Iterator[Team]:
    """Start servers at a node's address, create accounts, pool and deployment, start a worker."""
    address = layout.NODES[0].address
    machine.require(
        {"/usr/lib/postgresql": "postgresql"}
    )  # with its extensions: Prefect asks for pg_trgm
    folder.chmod(0o755)
    for name in ("home", "exchange"):
        (folder / name).mkdir()
        (folder / name).chmod(0o1777)
    (folder / "code").mkdir()
    for (
        name
    ) in _CODE:  # a copy: flow and training pods run the same code, whatever is edited meanwhile
        copy = shutil.copytree if (CHECKOUT / name).is_dir() else shutil.copy
        copy(CHECKOUT / name, folder / "code" / name)
    with contextlib.ExitStack() as running:
        database = running.enter_context(postgres.serving(address, postgres.installed()))
        asked = [servers.mlflow(database, address), servers.prefect(database, address)]
        with ThreadPoolExecutor() as pool:  # each starts for many seconds, most of them on one core
            mlflow, prefect = pool.map(running.enter_context, asked)
        ready = Team(kubectl, namespace, folder, database.url(database.database()), mlflow, prefect)
        _prepare(ready)
        running.enter_context(_worker(ready, kubeconfig))
        yield ready


def trainer(namespace: str, folder: Path) -> dict[str, Any]:
    """A trainer block for pods that run the copied code."""
    mounts = _mounts(folder)
    return {
        "where": "kubernetes",
        "namespace": namespace,
        "image": images.TEST,
        "image_pull_policy": "Never",
        "service_account": "concord-train",
        "cpu": 0.5,
        "memory": "3Gi",
        "exchange": {"uri": "/exchange"},
        "volumes": [
            {"name": name, "mount": mount, "host_path": path, "read_only": name != "exchange"}
            for name, (path, mount) in mounts.items()
            if name not in ("home", "data")
        ],
        "env": {"PATH": f"{sys.prefix}/bin:/usr/bin:/bin", "PYTHONPATH": "/app"},
    }


def _mounts(folder: Path) -> dict[str, tuple[str, str]]:
    return {
        "code": (str(folder / "code"), "/app"),
        "environment": (sys.prefix, sys.prefix),
        "interpreter": (sys.base_prefix, sys.base_prefix),
        "data": (str(folder / "data"), "/data"),
        "exchange": (str(folder / "exchange"), "/exchange"),
        "home": (str(folder / "home"), "/concord"),
    }


def _prepare(team: Team) -> None:
    for manifest in yaml.safe_load_all(
        team.kubectl("kustomize", str(CHECKOUT / "infra/kubernetes/base"))
    ):
        if manifest["kind"] in _ACCOUNTS:
            manifest["metadata"]["namespace"] = team.namespace
            for subject in manifest.get("subjects", []):
                subject["namespace"] = team.namespace
            team.kubectl.apply(manifest, team.namespace)
    values = {"CONCORD_DATABASE_URL": team.database, "MLFLOW_TRACKING_URI": team.mlflow}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "concord-flow"},
        "stringData": values,
    }
    team.kubectl.apply(secret, team.namespace)
    template = str(CHECKOUT / "infra/prefect/base-job-template.json")
    team.command(
        "work-pool", "create", "concord", "--type", "kubernetes", "--base-job-template", template
    )
    mounts = _mounts(team.folder)
    written = ("home", "exchange")
    variables = {
        "namespace": team.namespace,
        "image_pull_policy": "Never",
        "cpu": "500m",
        "env": {"PATH": f"{sys.prefix}/bin:/usr/bin:/bin", "PYTHONPATH": "/app"},
        "volumes": [
            {"name": "tmp", "emptyDir": {}},
            *({"name": name, "hostPath": {"path": path}} for name, (path, _) in mounts.items()),
        ],
        "volume_mounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
            *(
                {"name": n, "mountPath": mount, "readOnly": n not in written}
                for n, (_, mount) in mounts.items()
            ),
        ],
    }
    team.command("deploy", "--name", "retrain-cluster", CONCORD_FLOW_IMAGE=images.TEST)
    made = team.call("GET", "deployments/name/retrain/retrain-cluster")
    team.call(
        "PATCH", f"deployments/{made['id']}", {"job_variables": made["job_variables"] | variables}
    )


@contextlib.contextmanager
def _worker(team: Team, kubeconfig: Path) -> Iterator[None]:
    """Start a worker whose kubeconfig holds only its account's token."""
    cluster = yaml.safe_load(kubeconfig.read_text())["clusters"][0]
    token = team.kubectl(
        "-n", team.namespace, "create", "token", "concord-worker", "--duration", "3h"
    ).strip()
    own = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "worker",
        "clusters": [cluster],
        "users": [{"name": "worker", "user": {"token": token}}],
        "contexts": [
            {
                "name": "worker",
                "context": {
                    "cluster": cluster["name"],
                    "user": "worker",
                    "namespace": team.namespace,
                },
            }
        ],
    }
    place = team.folder / "worker.kubeconfig"
    place.write_text(yaml.safe_dump(own))
    environment = team.environment | {
        "KUBECONFIG": str(place),
        "PREFECT_INTEGRATIONS_KUBERNETES_OBSERVER_NAMESPACES": team.namespace,
        "PREFECT_WORKER_QUERY_SECONDS": "2",
    }
    command = [
        sys.executable,
        "-m",
        "prefect",
        "worker",
        "start",
        "--pool",
        "concord",
        "--type",
        "kubernetes",
    ]
    with (team.folder / "worker.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdout=log, stderr=log)
    try:
        yield
    finally:  # it would wait half a minute for runs that it no longer has
        process.kill()
        process.wait()


def database_files(folder: Path) -> list[str]:
    """SQLite files below a folder, recognised by name or content."""
    names = (".db", ".sqlite", ".sqlite3", ".db-wal", ".sqlite-wal")
    found = [p for p in folder.rglob("*") if p.is_file()]
    return [
        str(p) for p in found if p.name.endswith(names) or p.read_bytes()[:15] == b"SQLite format 3"
    ]


def _here(folder: Path, place: str) -> Path:
    """This machine's path of a path in the pods' state folder."""
    return folder / "home" / Path(place).relative_to("/concord")


def main() -> None:
    """Run a configuration from the flow's pod, train in Jobs, print the outcome as JSON."""
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "conf/demo.yaml")
    kubeconfig = Path(os.environ.get("KUBECONFIG", layout.KUBECONFIG))
    kubectl, namespace = Kubectl(kubeconfig), f"flow-{secrets.token_hex(4)}"
    folder = Path(tempfile.mkdtemp(prefix="concord-flow-pod-"))
    kubectl("create", "namespace", namespace)
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        source = (path.parent / config["data"]["uri"]).resolve()
        shutil.copytree(source, folder / "data" / "set")
        config["data"]["uri"] = "/data/set"
        config["trainer"] = trainer(namespace, folder)
        (folder / "data" / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        with team(kubectl, namespace, folder, kubeconfig) as ready:
            start = time.monotonic()
            run = ready.run("/data/config.yaml", 3600)
            seconds = time.monotonic() - start
            entries = Ledger(ready.home.ledger).entries(config["name"])
            champion = Registry(ready.home).champion(config["name"])
            records = sorted((folder / "home" / "runs").glob("*/run.json"))
            steps = json.loads(records[-1].read_text())["steps"] if records else []
            evaluated = [
                _here(folder, s["output"]) / "metrics.json"
                for s in steps
                if s["name"] == "evaluate"
            ]
        outcome = {
            "state": run["state_name"],
            "seconds": round(seconds, 1),
            "accuracy": [json.loads(path.read_text())["accuracy"] for path in evaluated],
            "jobs": sorted({line for line in run["logs"].splitlines() if "submitted Job" in line}),
            "steps": {step["name"]: step["digest"] for step in steps},
            "ledger": [f"{e.kind} {e.version}" for e in entries],
            "champion": champion.version if champion else None,
            "sqlite_below_home": database_files(folder / "home"),
        }
        sys.stdout.write(json.dumps(outcome, indent=1) + "\n")
        if run["state_name"] != "Completed":
            sys.stderr.write(run["logs"] + "\n")
            raise SystemExit(1)
    finally:
        kubectl("delete", "namespace", namespace, "--wait=false")
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
