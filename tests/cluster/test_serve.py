"""The service as the manifests deploy it: two replicas, a rollout and promotions under load.

Clients classify, search, write records and read them. They share requests among the pods that are
ready, a new connection each, as a Service does.
"""

import itertools
import random
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from components.config.home import CHECKOUT, Home
from components.core.files import write_json
from components.core.refs import digest_folder
from components.exchange.exchange import Exchange
from components.model.listing import FILES
from components.prediction.format import digests
from components.registry.ledger import Ledger
from components.registry.ledger_entry import Entry
from serving.store.database import Database
from serving.store.tokens import Tokens
from tests import postgres
from tests.cluster.blocks import checkout
from tests.cluster.kubectl import Kubectl
from tests.packaged import packed
from tests.synthetic import CLASSES
from tools.testcluster import images, layout

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

MODEL = "tiny"
APP = "app.kubernetes.io/name=concord-serve"
CLIENTS = 4
RECORD = {"text": "red round"}
OWN = 50
"""Records that a client writes, again and again."""


@dataclass
class Deployed:
    """The running Deployment, and the ledger that it follows."""

    kubectl: Kubectl
    namespace: str
    home: Home
    token: str = field(repr=False)
    digests: list[str]

    def promote(self, version: int, kind: Any = "promotion") -> None:
        """Append to the ledger, as a promotion does."""
        entry = Entry(
            time="2026-01-01T00:00:00+00:00", model=MODEL, kind=kind, version=version,
            package_digest=self.digests[version - 1], actor="ada", details={},
        )  # fmt: skip
        Ledger(self.home.ledger).append(entry)

    def ready(self) -> list[str]:
        """Addresses of the pods that the Service would send requests to."""
        slices = self.kubectl.json(
            "-n", self.namespace, "get", "endpointslices",
            "-l", "kubernetes.io/service-name=concord-serve",
        )  # fmt: skip
        return [
            address
            for found in slices["items"]
            for endpoint in found["endpoints"] or []
            if endpoint["conditions"]["ready"]
            for address in endpoint["addresses"]
        ]


@dataclass
class Load:
    """Clients that ask and write all the time; what they were told."""

    deployed: Deployed
    failed: list[str] = field(default_factory=list)
    answered: Counter[tuple[str, int]] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    last: dict[str, int] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)
    slowest: float = 0.0
    _pods: list[str] = field(default_factory=list)
    _end: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator["Load"]:
        """Ask until the block ends."""
        self._pods = self.deployed.ready()
        threads = [threading.Thread(target=self._client, args=[n]) for n in range(CLIENTS)]
        threads.append(threading.Thread(target=self._watch))
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._end.set()
            for thread in threads:
                thread.join()

    def lost(self) -> list[str]:
        """Written records that a replica does not give as they were last written."""
        time.sleep(2)  # replicas learn of each other's writes within half a second
        return [
            f"{pod}: {name}"
            for pod in self.deployed.ready()
            for name, label in self.written.items()
            if self._ask(pod, "GET", f"/v1/records/{name}")["label"] != label
        ]

    def _watch(self) -> None:
        while not self._end.wait(0.5):
            self._pods = self.deployed.ready()

    def _client(self, number: int) -> None:
        for turn in itertools.count():
            if self._end.is_set():
                return
            began, pod = time.monotonic(), random.choice(self._pods)
            try:
                self._turn(pod, f"written-{number}-{turn % OWN}", CLASSES[turn % len(CLASSES)])
            except Exception as error:  # whatever it is, the request was lost
                self.failed.append(f"{pod} after {time.monotonic() - began:.1f} s: {error!r}")
            time.sleep(0.02)

    def _turn(self, pod: str, name: str, label: str) -> None:
        """Classify and search; write a record and read it where it was written."""
        self._answered(pod, self._ask(pod, "POST", "/v1/classify", {"records": [RECORD]})["model"])
        found = self._ask(pod, "POST", "/v1/search", {"query": RECORD, "k": 3})
        assert found["index"]["package_digest"] == found["model"]["package_digest"]
        self._answered(pod, found["model"])
        place = f"/v1/records/{name}"
        self._ask(pod, "PUT", place, {"record": RECORD, "label": label})
        self.written[name] = label
        assert self._ask(pod, "GET", place)["label"] == label

    def _answered(self, pod: str, model: dict[str, Any]) -> None:
        """Count an answer, which is of the version that it names."""
        version = model["version"]
        assert model["package_digest"] == self.deployed.digests[version - 1]
        self.answered[pod, version] += 1
        self.last[pod] = version

    def _ask(self, pod: str, method: str, place: str, body: object = None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.deployed.token}", "Connection": "close"}
        began, url = time.monotonic(), f"http://{pod}:3000{place}"
        with httpx.Client(trust_env=False, timeout=30) as client:
            said = client.request(method, url, json=body, headers=headers)
        said.raise_for_status()
        self.asked[f"{method} {place.split('/')[2]}"] += 1
        self.slowest = max(self.slowest, time.monotonic() - began)
        found: dict[str, Any] = said.json()
        return found


@pytest.fixture(scope="module")
def deployed(
    own_cluster: Any,  # noqa: ARG001
    kubectl: Kubectl,
    namespace: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("serve")
    folder.chmod(0o755)
    with postgres.serving(layout.NODES[0].address) as server:
        home = Home(root=folder / "home", database=server.url(server.database()))
        found = [_put(folder, number) for number in (1, 2)]
        deployed = Deployed(kubectl, namespace, home, "", found)
        for number in (1, 2):
            deployed.promote(number, "registration")
        deployed.promote(1)
        with Database(home.store) as store:
            deployed.token = Tokens(store).new("load", ["predict", "write"])
        secret = {"CONCORD_DATABASE_URL": home.database}
        kubectl.apply(
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "concord-serve"},
             "stringData": secret},
            namespace,
        )  # fmt: skip
        _overlay(folder, namespace)
        kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/warn=restricted")
        kubectl("apply", "-k", str(folder))
        _rolled(kubectl, namespace)
        yield deployed
        kubectl("-n", namespace, "delete", "deployment", "concord-serve", "--wait=true")


def _rolled(kubectl: Kubectl, namespace: str) -> None:
    kubectl("-n", namespace, "rollout", "status", "deployment/concord-serve", "--timeout=300s")


def _put(folder: Path, number: int) -> str:
    """A version's package where services find it; versions differ in their card."""
    package = folder / f"package-{number}"
    shutil.copytree(packed().package, package)
    (package / "card.md").write_text(f"# Version {number}\n")
    write_json(package / FILES, {"files": digests(package)})
    digest = digest_folder(package)
    Exchange(str(folder / "packages")).put(package, digest)
    return digest


def _overlay(folder: Path, namespace: str) -> None:
    """The base with this checkout for its image, and a folder for its claim."""
    block = checkout()
    name, tag = images.TEST.rsplit(":", 1)
    mounts = [
        {"name": v["name"], "mountPath": v["mount"], "readOnly": True} for v in block["volumes"]
    ]
    volumes = [{"name": v["name"], "hostPath": {"path": v["host_path"]}} for v in block["volumes"]]
    at, pod = "/spec/template/spec/containers/0", "/spec/template/spec"
    env = {**block["env"], "BENTOML_HOME": "/tmp/bentoml", "HOME": "/tmp"}  # noqa: S108
    shared = {"name": "packages", "hostPath": {"path": str(folder / "packages")}}
    patch = [
        {"op": "add", "path": f"{at}/env",
         "value": [{"name": k, "value": v} for k, v in env.items()]},
        {"op": "add", "path": f"{at}/command", "value": ["python", "-m", "serving.start"]},
        {"op": "add", "path": f"{at}/imagePullPolicy", "value": "Never"},
        {"op": "replace", "path": f"{at}/resources/requests", "value": {"cpu": "100m"}},
        *({"op": "add", "path": f"{at}/volumeMounts/-", "value": mount} for mount in mounts),
        {"op": "replace", "path": f"{pod}/volumes/1", "value": shared},
        *({"op": "add", "path": f"{pod}/volumes/-", "value": volume} for volume in volumes),
    ]  # fmt: skip
    base = folder / "base"
    shutil.copytree(CHECKOUT / "infra" / "kubernetes" / "serve" / "base", base)
    tree = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
        "namespace": namespace,
        "resources": ["base"],
        "images": [{"name": "concord/serve", "newName": name, "newTag": tag}],
        "configMapGenerator": [
            {"name": "concord-serve", "behavior": "merge",
             "literals": [f"CONCORD_FOLLOW={MODEL}"]},
        ],
        "patches": [{"target": {"kind": "Deployment"}, "patch": yaml.safe_dump(patch)}],
    }  # fmt: skip
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(tree))


def test_a_rollout_under_load_loses_no_request(deployed: Deployed) -> None:
    before = set(deployed.ready())
    assert len(before) == 2
    began = time.monotonic()
    with Load(deployed).running() as load:
        time.sleep(3)
        deployed.kubectl(
            "-n", deployed.namespace, "set", "env", "deployment/concord-serve", "ROLLED=1"
        )
        _rolled(deployed.kubectl, deployed.namespace)
        time.sleep(10)  # the last pod of before ends in this time
    after = set(deployed.ready())
    print(  # noqa: T201
        f"\nrollout: {time.monotonic() - began:.0f} s, {dict(load.asked)}, "
        f"{len(load.failed)} failed, longest {load.slowest:.2f} s"
    )
    assert not load.failed, load.failed[:5]
    assert not load.lost()
    assert len(after) == 2
    assert not after & before
    assert {pod for pod, _ in load.answered} >= before | after


@pytest.mark.parametrize(
    "swaps", [10, pytest.param(200, marks=[pytest.mark.slow, pytest.mark.timeout(7200)])]
)
def test_promotions_under_load_reach_every_replica_and_lose_no_request(
    deployed: Deployed, swaps: int
) -> None:
    longest = 0.0
    with Load(deployed).running() as load:
        for swap in range(swaps):
            version, began = 2 - swap % 2, time.monotonic()
            deployed.promote(version)
            pods = deployed.ready()
            while {load.last.get(pod) for pod in pods} != {version}:
                assert time.monotonic() - began < 60, (load.last, load.failed[:3])
                time.sleep(0.05)
            longest = max(longest, time.monotonic() - began)
    print(  # noqa: T201
        f"\n{swaps} promotions: {dict(load.asked)}, {len(load.failed)} failed, all replicas agree "
        f"after at most {longest:.1f} s, longest request {load.slowest:.2f} s"
    )
    assert not load.failed, load.failed[:5]
    assert not load.lost()
    assert {version for _, version in load.answered} == {1, 2}
