"""The kustomize bases: valid against published schemas, namespaced and minimal rights."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from components.config.home import CHECKOUT

ROOT = CHECKOUT / "infra" / "kubernetes"
BASES = sorted(path.parent.name for path in ROOT.glob("*/kustomization.yaml"))


def _objects(base: str) -> list[dict[str, Any]]:
    listed = yaml.safe_load((ROOT / base / "kustomization.yaml").read_text())["resources"]
    return [
        tree for name in listed for tree in yaml.safe_load_all((ROOT / base / name).read_text())
    ]


@pytest.mark.parametrize("version", ["1.31", "1.35"])
@pytest.mark.parametrize("base", BASES)
def test_every_object_fits_the_published_schema(base: str, version: str) -> None:
    # Kubernetes' own schemas, packaged by kubernetes-validate; strict rejects unknown fields.
    objects = _objects(base)
    for tree in objects:
        kubernetes_validate.validate(tree, version, strict=True)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**objects[0], "surplus": 1}, version, strict=True)


@pytest.mark.parametrize("base", BASES)
def test_every_file_of_a_base_is_listed(base: str) -> None:
    listed = yaml.safe_load((ROOT / base / "kustomization.yaml").read_text())["resources"]
    assert {path.name for path in Path(ROOT / base).glob("*.yaml")} == {
        *listed,
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


def test_the_service_is_probed_where_it_answers_and_has_a_read_only_root() -> None:
    deployment = next(tree for tree in _objects("serve") if tree["kind"] == "Deployment")
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    probes = ("startup", "readiness", "liveness")
    paths = {probe: container[f"{probe}Probe"]["httpGet"]["path"] for probe in probes}
    assert paths == {"startup": "/readyz", "readiness": "/readyz", "liveness": "/livez"}
