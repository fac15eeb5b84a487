"""The work pool's template and the deployments without a server, filled in as by Prefect."""

import json
import re

import kubernetes_validate
import pytest
import yaml

from components.config.home import CHECKOUT
from flows.engines import QUIET

TEMPLATE = json.loads(
    (CHECKOUT / "infra/prefect/base-job-template.json").read_text(encoding="utf-8")
)
VARIABLES = TEMPLATE["variables"]["properties"]


def job(**changes):
    """The Job of a flow run; Prefect itself adds command, labels and environment."""
    from prefect.utilities.templating import apply_values

    values = (
        {name: variable["default"] for name, variable in VARIABLES.items()}
        | {"name": "run", "command": "true"}
        | changes
    )
    manifest = apply_values(TEMPLATE["job_configuration"]["job_manifest"], values)
    manifest["spec"]["template"]["spec"]["containers"][0]["args"] = ["true"]
    return manifest


def pod(**changes):
    return job(**changes)["spec"]["template"]["spec"]


def test_every_variable_is_used_and_every_placeholder_has_one():
    used = set(re.findall(r"\{\{ (\w+) \}\}", json.dumps(TEMPLATE["job_configuration"])))
    assert used == set(VARIABLES)


@pytest.mark.parametrize("version", ["1.31", "1.35"])
def test_the_job_is_one_of_kubernetes(version):
    manifest = job()
    for name in (
        "parallelism",
        "completions",
    ):  # Prefect wants them there, Kubernetes ignores them there
        del manifest["spec"]["template"]["spec"][name]
    kubernetes_validate.validate(manifest, version, strict=True)
    manifest["spec"]["template"]["spec"]["surplus"] = 1
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, version, strict=True)


def test_the_pod_keeps_the_namespaces_restricted_standard():
    """https://kubernetes.io/docs/concepts/security/pod-security-standards, profile restricted."""
    spec = pod()
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not [v for v in spec["volumes"] if "hostPath" in v]
    assert {"/tmp", "/concord", "/exchange"} == {m["mountPath"] for m in container["volumeMounts"]}  # noqa: S108


def test_prefect_owns_retries_and_the_account_is_the_flows():
    assert job()["spec"]["backoffLimit"] == 0
    assert pod()["restartPolicy"] == "Never"
    assert pod()["serviceAccountName"] == "concord-flow"


def test_addresses_come_from_a_secret_and_libraries_are_as_quiet_as_on_a_laptop():
    (container,) = pod()["containers"]
    assert container["envFrom"] == [{"secretRef": {"name": "concord-flow"}}]
    given = {e["name"]: e["value"] for e in container["env"]}
    assert given["CONCORD_HOME"] == "/concord"
    assert not [n for n in given if n in ("CONCORD_DATABASE_URL", "MLFLOW_TRACKING_URI")]
    for name, value in given.items():
        assert QUIET.get(name, value) == value


def test_the_deployments_name_the_flow_and_their_pools():
    deployments = {
        d["name"]: d
        for d in yaml.safe_load((CHECKOUT / "prefect.yaml").read_text(encoding="utf-8"))[
            "deployments"
        ]
    }
    assert {name: d["work_pool"]["name"] for name, d in deployments.items()} == {
        "retrain-local": "local",
        "retrain-cluster": "concord",
    }
    for deployment in deployments.values():
        file, function = deployment["entrypoint"].split(":")
        assert f"def {function}(config: str" in (CHECKOUT / file).read_text(encoding="utf-8")
        assert list(deployment["parameters"]) == ["config"]
    assert set(deployments["retrain-cluster"]["work_pool"]["job_variables"]) <= set(VARIABLES)
