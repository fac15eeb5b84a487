"""The kustomize base on a real API server: minimal rights, and an exceeded quota is reported."""

import itertools
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.config.home import CHECKOUT
from components.config.trainer import KubernetesTrainer
from flows.commands.doctor_cluster import look
from infra.cluster import Cluster
from infra.failures import QuotaExceeded
from infra.transport import Transport
from tests.cluster.kubectl import Kubectl
from tests.cluster.running import Running
from tests.components.pods.pods import train_spec
from tests.synthetic import records, write_features

pytestmark = pytest.mark.cluster

# The requests of the code and of the Prefect worker, listed independently of the manifests.
FLOW = {
    *(("batch", "jobs", verb) for verb in ("create", "get", "list", "watch", "delete")),
    *(("", "services", verb) for verb in ("create", "get", "delete")),
    ("", "pods", "list"),
    ("", "pods/log", "get"),
    ("", "events", "list"),
    ("", "resourcequotas", "list"),
}
WORKER = {
    *(("batch", "jobs", verb) for verb in ("create", "get", "list", "watch", "delete")),
    *(("", "pods", verb) for verb in ("get", "list", "watch")),
    ("", "pods/log", "get"),
    ("", "events", "list"),
    ("", "events", "watch"),
}
# Kubernetes lets every account ask for its own rights and name (system:basic-user).
EVERYONE = {
    *(
        ("authorization.k8s.io", f"selfsubject{what}reviews", "create")
        for what in ("access", "rules")
    ),
    ("authentication.k8s.io", "selfsubjectreviews", "create"),
}
VERBS = (
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "impersonate",
    "bind",
    "escalate",
    "*",
)


@pytest.fixture(scope="module")
def base(kubectl: Kubectl, namespace: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The base in this test's namespace."""
    overlay = tmp_path_factory.mktemp("overlay")
    where = os.path.relpath(CHECKOUT / "infra" / "kubernetes" / "base", overlay)
    tree = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": namespace,
        "resources": [where],
    }
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump(tree))
    kubectl("apply", "-k", str(overlay))
    # Pods of tests mount this machine's folders, which `restricted` forbids; only the tests of
    # images run under it.
    kubectl(
        "label",
        "--overwrite",
        "namespace",
        namespace,
        "pod-security.kubernetes.io/enforce=privileged",
    )
    return namespace


@pytest.fixture(scope="module")
def transport(base: str) -> Transport:
    """Requests as the user of the kubeconfig."""
    here = {
        "where": "kubernetes",
        "namespace": base,
        "image": "none",
        "exchange": {"uri": "s3://none/none"},
    }
    return Cluster(KubernetesTrainer.model_validate(here), say=print).transport


@pytest.fixture(scope="module")
def questions(kubectl: Kubectl) -> list[tuple[str, str]]:
    """Every resource and subresource of the API server."""
    found = []
    for api in ["/api/v1", *sorted(_groups(kubectl))]:
        group = "" if api == "/api/v1" else api.split("/")[2]
        found += [(group, r["name"]) for r in json.loads(kubectl("get", "--raw", api))["resources"]]
    return found


def _groups(kubectl: Kubectl) -> set[str]:
    groups = json.loads(kubectl("get", "--raw", "/apis"))["groups"]
    return {f"/apis/{v['groupVersion']}" for g in groups for v in g["versions"]}


@pytest.mark.parametrize(
    ("account", "allowed"),
    [("concord-flow", FLOW), ("concord-worker", WORKER), ("concord-train", set())],
)
def test_an_account_may_do_what_it_needs_and_nothing_else(
    transport, base, questions, account, allowed
) -> None:
    user = f"system:serviceaccount:{base}:{account}"
    asked = set(itertools.product(set(questions), VERBS))
    assert len(asked) > 1000, "a full cross product"
    inside = _granted(user, base, asked, transport)
    assert inside - EVERYONE == allowed
    for elsewhere in ("default", None):  # another namespace, and the whole cluster
        assert _granted(user, elsewhere, asked, transport) - EVERYONE == set()


def test_a_flow_runs_with_the_rights_of_its_account_alone(
    kubectl, base, trainer, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(_kubeconfig(kubectl, base, "concord-flow", tmp_path)))
    write_features(tmp_path / "features", records(60, labelled=0.5))
    spec = train_spec(tmp_path / "features", training={"epochs": 1})
    (attempt,) = Running(
        spec,
        {**trainer, "namespace": base, "nodes": 2, "cpu": 0.2, "memory": "1Gi"},
        tmp_path / "out",
    ).ended()
    assert attempt.about["world_size"] == 2


def test_the_doctor_finds_all_rights_with_the_flows_account_and_names_those_that_others_lack(
    kubectl, base, trainer, tmp_path, monkeypatch
) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "name": "t",
                "data": {"uri": "t"},
                "trainer": {**trainer, "namespace": base, "nodes": 2},
            }
        )
    )
    monkeypatch.setenv("KUBECONFIG", str(_kubeconfig(kubectl, base, "concord-flow", tmp_path)))
    findings = {f.what: f for f in look(path)}
    assert [f for f in findings.values() if not f.ok] == []
    assert "may not read nodes" in findings["GPUs (nvidia.com/gpu)"].found
    assert "limits.memory: " in findings[f"quota of namespace {base}"].found
    monkeypatch.setenv("KUBECONFIG", str(_kubeconfig(kubectl, base, "concord-worker", tmp_path)))
    lacking = next(f for f in look(path) if f.what.startswith("rights"))
    assert lacking.found == "lacks create services, get services, delete services"


def test_a_quota_that_is_used_up_is_told(kubectl, base, trainer, tmp_path) -> None:
    write_features(tmp_path / "features", records(60, labelled=0.5))
    spec = train_spec(tmp_path / "features", training={"epochs": 1, "seed": 5})
    greedy = {**trainer, "namespace": base, "memory": "300Gi", "pending_timeout_s": 20}
    with pytest.raises(QuotaExceeded, match="256Gi"):
        Running(spec, greedy, tmp_path / "pods").ended()
    jobs = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "no-jobs"},
        "spec": {"hard": {"count/jobs.batch": "0"}},
    }
    kubectl.apply(jobs, base)
    try:
        with pytest.raises(QuotaExceeded, match=r"count/jobs\.batch"):
            Running(spec, {**trainer, "namespace": base}, tmp_path / "jobs").ended()
    finally:
        kubectl("-n", base, "delete", "resourcequota", "no-jobs")


def _granted(
    user: str, namespace: str | None, asked: set[Any], transport: Transport
) -> set[tuple[str, str, str]]:
    """The questions that the API server's SubjectAccessReview allows."""

    def allowed(question: tuple[tuple[str, str], str]) -> bool:
        (group, resource), verb = question
        name, _, part = resource.partition("/")
        about = {"group": group, "resource": name, "verb": verb}
        about |= {"subresource": part} if part else {}
        about |= {"namespace": namespace} if namespace else {}
        groups = [
            "system:serviceaccounts",
            f"system:serviceaccounts:{user.split(':')[2]}",
            "system:authenticated",
        ]
        tree = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": user, "groups": groups, "resourceAttributes": about},
        }
        answer = transport.call(
            "POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body=tree
        )
        return bool(answer["status"]["allowed"])

    with ThreadPoolExecutor(4) as pool:
        answers = zip(asked, pool.map(allowed, asked), strict=True)
        return {(*resource, verb) for (resource, verb), yes in answers if yes}


def _kubeconfig(kubectl: Kubectl, namespace: str, account: str, folder: Path) -> Path:
    """A kubeconfig of a service account, with a token that the API server made."""
    tree = json.loads(kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json"))
    token = kubectl("-n", namespace, "create", "token", account).strip()
    tree["users"] = [{"name": tree["users"][0]["name"], "user": {"token": token}}]
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(tree))
    return path
