"""The kustomize bases: valid against published schemas, namespaced and minimal rights."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from components.config.home import CHECKOUT
from components.registry import packages
from serving import defaults

ROOT = CHECKOUT / "infra" / "kubernetes"
BASES = sorted(str(path.parent.relative_to(ROOT)) for path in ROOT.rglob("kustomization.yaml"))
CUSTOM = {"ServiceMonitor"}
"""Kinds of others than Kubernetes itself."""
KUBECTL = shutil.which("kubectl")


def _listed(base: str) -> list[str]:
    """The files of a base, without the bases that it builds on."""
    listed = yaml.safe_load((ROOT / base / "kustomization.yaml").read_text())["resources"]
    return [name for name in listed if not name.startswith("..")]


def _objects(base: str) -> list[dict[str, Any]]:
    return [
        tree
        for name in _listed(base)
        for tree in yaml.safe_load_all((ROOT / base / name).read_text())
    ]


def _check(objects: list[dict[str, Any]], version: str) -> None:
    for tree in objects:
        if tree["kind"] not in CUSTOM:
            kubernetes_validate.validate(tree, version, strict=True)


@pytest.mark.parametrize("version", ["1.31", "1.35"])
@pytest.mark.parametrize("base", BASES)
def test_every_object_fits_the_published_schema(base: str, version: str) -> None:
    # Kubernetes' own schemas, packaged by kubernetes-validate; strict rejects unknown fields.
    objects = _objects(base)
    _check(objects, version)
    if not objects:  # an overlay with nothing but patches
        return
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**objects[0], "surplus": 1}, version, strict=True)


@pytest.mark.parametrize("base", BASES)
def test_every_file_of_a_base_is_listed(base: str) -> None:
    assert {path.name for path in Path(ROOT / base).glob("*.yaml")} == {
        *_listed(base),
        "kustomization.yaml",
    }


def test_the_base_has_no_right_outside_its_namespace() -> None:
    kinds = [tree["kind"] for tree in _objects("base")]
    assert {
        "ServiceAccount",
        "Role",
        "RoleBinding",
        "ResourceQuota",
        "LimitRange",
        "PersistentVolumeClaim",
    } <= set(kinds)
    assert not [kind for kind in kinds if kind.startswith("Cluster")]


def test_no_role_names_a_wildcard_a_secret_or_the_roles_themselves() -> None:
    rules = [rule for tree in _objects("base") if tree["kind"] == "Role" for rule in tree["rules"]]
    for rule in rules:
        assert not {"*", "secrets", "roles", "rolebindings", "pods/exec"} & {
            *rule["resources"],
            *rule["verbs"],
        }
        assert rule["apiGroups"] in ([""], ["batch"])


def test_the_account_of_training_pods_is_bound_to_nothing_and_has_no_token() -> None:
    objects = _objects("base")
    bound = {
        subject["name"]
        for tree in objects
        if tree["kind"] == "RoleBinding"
        for subject in tree["subjects"]
    }
    accounts = {
        tree["metadata"]["name"]: tree for tree in objects if tree["kind"] == "ServiceAccount"
    }
    assert set(accounts) - bound == {"concord-train"}
    assert accounts["concord-train"]["automountServiceAccountToken"] is False


def _kind(objects: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    (found,) = (tree for tree in objects if tree["kind"] == kind)
    return found


def test_the_service_is_probed_where_it_answers_and_has_a_read_only_root() -> None:
    pod = _kind(_objects("serve/base"), "Deployment")["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    probes = ("startup", "readiness", "liveness")
    paths = {probe: container[f"{probe}Probe"]["httpGet"]["path"] for probe in probes}
    assert paths == {"startup": "/readyz", "readiness": "/readyz", "liveness": "/livez"}


def test_a_pod_that_ends_has_time_for_every_request_that_it_accepted() -> None:
    spec = _kind(_objects("serve/base"), "Deployment")["spec"]
    assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    pod = spec["template"]["spec"]
    pause = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] >= pause + defaults.ANSWER_SECONDS


def test_the_service_has_no_rights_and_no_secret_is_written_down() -> None:
    objects = _objects("serve/base") + _objects("serve/team")
    assert _kind(objects, "ServiceAccount")["automountServiceAccountToken"] is False
    kinds = {tree["kind"] for tree in objects}
    assert not kinds & {"Secret", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
    pod = _kind(objects, "Deployment")["spec"]["template"]["spec"]
    assert {"secretRef": {"name": "concord-serve"}} in pod["containers"][0]["envFrom"]
    monitor = _kind(objects, "ServiceMonitor")["spec"]["endpoints"][0]
    assert monitor["authorization"]["credentials"]["name"] != "concord-serve"
    assert monitor["port"] == _kind(objects, "Service")["spec"]["ports"][0]["name"]


def test_the_network_lets_in_the_port_and_out_names_database_and_store() -> None:
    policy = _kind(_objects("serve/base"), "NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["ingress"] == [{"ports": [{"protocol": "TCP", "port": "http"}]}]
    ports = {port["port"] for rule in policy["egress"] for port in rule["ports"]}
    assert ports == {53, 5432, 443}


@pytest.mark.skipif(KUBECTL is None, reason="kubectl renders overlays")
@pytest.mark.parametrize("overlay", ["small", "team"])
def test_an_overlay_renders_objects_that_fit_the_published_schema(overlay: str) -> None:
    assert KUBECTL is not None
    done = subprocess.run(
        [KUBECTL, "kustomize", str(ROOT / "serve" / overlay)],
        capture_output=True,
        text=True,
        check=True,
    )
    objects = list(yaml.safe_load_all(done.stdout))
    _check(objects, "1.35")
    replicas = _kind(objects, "Deployment")["spec"].get("replicas")
    assert replicas == {"small": 1, "team": None}[overlay]
    assert {tree["metadata"]["namespace"] for tree in objects} == {"concord"}
    config = _kind(objects, "ConfigMap")
    assert set(config["data"]) == {defaults.FOLLOW, packages.SHARED, "CONCORD_HOME"}
