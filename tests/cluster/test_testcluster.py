"""The test cluster is Kubernetes: two nodes, DNS, logs, limits, GPUs, recovery from faults."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from components.config.home import CHECKOUT
from tests.cluster.kubectl import Kubectl
from tests.cluster.s3_server import S3Server
from tools.testcluster import layout
from tools.testcluster.images import TEST

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("own_cluster")]
NODES = ["node-1", "node-2"]


def pod(name: str, command: list[str], **spec: Any) -> dict[str, Any]:
    container = {
        "name": "main",
        "image": TEST,
        "imagePullPolicy": "Never",
        "command": command,
        "resources": spec.pop("resources", {}),
        "securityContext": {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False},
    }
    user = {"runAsUser": 65532, "runAsNonRoot": True}
    defaults = {
        "restartPolicy": "Never",
        "securityContext": user,
        "containers": [container],
        "terminationGracePeriodSeconds": 0,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {**defaults, **spec},
    }


def until(found: Callable[[], Any], timeout: float = 60) -> Any:
    """Poll until the answer is not empty."""
    give_up = time.monotonic() + timeout
    while not (what := found()):
        assert time.monotonic() < give_up, "not seen in time"
        time.sleep(0.2)
    return what


def phase(kubectl: Kubectl, namespace: str, name: str) -> str:
    return str(kubectl.json("-n", namespace, "get", "pod", name)["status"]["phase"])


def finished(kubectl: Kubectl, namespace: str, name: str) -> str:
    return str(
        until(lambda: (p := phase(kubectl, namespace, name)) in {"Succeeded", "Failed"} and p)
    )


def test_both_nodes_are_ready_with_a_gpu_each(kubectl: Kubectl) -> None:
    nodes = {
        node["metadata"]["name"]: node["status"] for node in kubectl.json("get", "nodes")["items"]
    }
    assert sorted(nodes) == NODES
    for status in nodes.values():
        assert {"type": "Ready", "status": "True"}.items() <= next(
            c for c in status["conditions"] if c["type"] == "Ready"
        ).items()
        assert status["allocatable"]["nvidia.com/gpu"] == "1"
        assert status["nodeInfo"]["kubeletVersion"] == "v1.35.4"


def test_a_second_up_changes_nothing(kubectl: Kubectl) -> None:
    before = {node["metadata"]["uid"] for node in kubectl.json("get", "nodes")["items"]}
    command = [sys.executable, "-m", "tools.testcluster", "up"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=CHECKOUT)
    assert done.stdout == f"export KUBECONFIG={layout.KUBECONFIG}\n"
    assert "runs already" in done.stderr
    assert {node["metadata"]["uid"] for node in kubectl.json("get", "nodes")["items"]} == before


def test_pods_on_two_nodes_find_each_other_by_name_through_a_headless_service(
    kubectl: Kubectl, namespace: str
) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "server"},
        "spec": {
            "clusterIP": "None",
            "selector": {"app": "server"},
            "publishNotReadyAddresses": True,
        },
    }
    kubectl.apply(service, namespace)
    answer = ["sh", "-c", "echo hello from afar | nc -l -p 7000"]
    kubectl.apply(
        pod("server", answer, nodeName="node-1", hostname="first", subdomain="server"), namespace
    )
    ask = ["sh", "-c", "until nc first.server 7000; do sleep 0.2; done"]
    kubectl.apply(pod("client", ask, nodeName="node-2"), namespace)
    assert finished(kubectl, namespace, "client") == "Succeeded"
    assert kubectl("-n", namespace, "logs", "client").endswith("hello from afar\n")


def test_a_pod_is_not_root_cannot_write_its_root_and_reaches_the_api_server(
    kubectl: Kubectl, namespace: str
) -> None:
    script = (
        "id -u; touch /bin/x 2>&1 | grep -o 'Read-only file system'; "
        "nc -w 5 $KUBERNETES_SERVICE_HOST $KUBERNETES_SERVICE_PORT </dev/null "
        "&& nslookup kubernetes.default.svc.cluster.local"
    )
    kubectl.apply(pod("modest", ["sh", "-c", script]), namespace)
    assert finished(kubectl, namespace, "modest") == "Succeeded"
    lines = kubectl("-n", namespace, "logs", "modest").splitlines()
    assert lines[:2] == ["65532", "Read-only file system"]
    assert any(layout.API_ADDRESS in line for line in lines[2:])


def test_a_memory_limit_is_real(kubectl: Kubectl, namespace: str) -> None:
    hungry = [
        "sh",
        "-c",
        "exec tail /dev/zero",
    ]  # keeps what it reads until a line ends, which never happens
    kubectl.apply(pod("hungry", hungry, resources={"limits": {"memory": "200Mi"}}), namespace)
    assert finished(kubectl, namespace, "hungry") == "Failed"
    status = kubectl.json("-n", namespace, "get", "pod", "hungry")["status"]["containerStatuses"][
        0
    ]["state"]["terminated"]
    assert (status["reason"], status["exitCode"]) == ("OOMKilled", 137)


def test_a_third_pod_waits_where_two_gpus_are_taken(kubectl: Kubectl, namespace: str) -> None:
    names = [f"gpu-{i}" for i in range(3)]
    for name in names:
        kubectl.apply(
            pod(name, ["sleep", "600"], resources={"limits": {"nvidia.com/gpu": "1"}}), namespace
        )
        if name != "gpu-2":
            until(lambda name=name: phase(kubectl, namespace, name) == "Running")

    def why() -> str:
        events = kubectl.json(
            "-n", namespace, "get", "events", "--field-selector", "involvedObject.name=gpu-2"
        )["items"]
        return " ".join(
            event["message"] for event in events if event["reason"] == "FailedScheduling"
        )

    assert "Insufficient nvidia.com/gpu" in until(why)
    assert phase(kubectl, namespace, "gpu-2") == "Pending"
    kubectl("-n", namespace, "delete", "pod", *names, "--now")


def test_pods_run_the_checkout_with_its_own_interpreter(
    kubectl: Kubectl, namespace: str, pod_code: dict[str, Any]
) -> None:
    mounts = [
        {"name": v["name"], "mountPath": v["mount"], "readOnly": v["read_only"]}
        for v in pod_code["volumes"]
    ]
    volumes = [
        {"name": v["name"], "hostPath": {"path": v["host_path"]}} for v in pod_code["volumes"]
    ]
    script = (
        "import os, components, torch; "
        "print(os.getuid(), components.__file__, float(torch.ones(2) @ torch.ones(2)))"
    )
    made = pod("python", ["python", "-c", script], volumes=volumes)
    made["spec"]["containers"][0] |= {
        "volumeMounts": mounts,
        "env": [{"name": name, "value": value} for name, value in pod_code["env"].items()],
    }
    kubectl.apply(made, namespace)
    assert finished(kubectl, namespace, "python") == "Succeeded"
    assert (
        kubectl("-n", namespace, "logs", "python")
        == f"65532 {CHECKOUT}/components/__init__.py 2.0\n"
    )


def test_the_s3_server_keeps_what_it_is_given(s3: S3Server) -> None:
    fsspec = pytest.importorskip("s3fs")
    files = fsspec.S3FileSystem(
        key=s3.access_key,
        secret=s3.secret_key,
        endpoint_url=s3.endpoint,
        client_kwargs={"region_name": "us-east-1"},
    )
    path = s3.uri("folder/file").removeprefix("s3://")
    files.pipe_file(path, b"kept")
    assert files.cat_file(path) == b"kept"
    assert files.ls(path.rpartition("/")[0], detail=False) == [path]


def test_a_pod_outlives_its_kubelet_and_its_container_runtime(
    kubectl: Kubectl, namespace: str, own_cluster: ModuleType
) -> None:
    kubectl.apply(pod("steady", ["sleep", "600"], nodeName="node-2"), namespace)
    until(lambda: phase(kubectl, namespace, "steady") == "Running")
    own_cluster.restart_containerd("node-2")
    own_cluster.kill_kubelet("node-2")
    until(lambda: "NotReady" in kubectl("get", "node", "node-2"))
    own_cluster.start_kubelet("node-2")
    status = kubectl.json("-n", namespace, "get", "pod", "steady")["status"]
    assert status["phase"] == "Running"
    assert status["containerStatuses"][0]["restartCount"] == 0
    assert kubectl.json("get", "node", "node-2")["status"]["allocatable"]["nvidia.com/gpu"] == "1"
    kubectl("-n", namespace, "delete", "pod", "steady", "--now")


def test_a_lost_node_gives_its_pods_up_once_it_is_out_of_service(
    kubectl: Kubectl, namespace: str, own_cluster: ModuleType
) -> None:
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "moves"},
        "spec": {
            "template": {
                "spec": pod(
                    "", ["sleep", "600"], nodeSelector={"kubernetes.io/hostname": "node-2"}
                )["spec"]
            }
        },
    }
    kubectl.apply(job, namespace)

    def running() -> list[str]:
        pods = kubectl.json("-n", namespace, "get", "pods", "-l", "job-name=moves")["items"]
        return [p["metadata"]["uid"] for p in pods if p["status"]["phase"] == "Running"]

    first = until(running)
    own_cluster.lose_node("node-2")
    try:
        until(lambda: "NotReady" in kubectl("get", "node", "node-2"))
        kubectl("taint", "node", "node-2", "node.kubernetes.io/out-of-service=lost:NoExecute")
        until(lambda: not running())
    finally:
        own_cluster.restore_node("node-2")
    second = until(running)
    assert set(first).isdisjoint(second)
    taints = kubectl.json("get", "node", "node-2")["spec"].get("taints", [])
    assert "out-of-service" not in json.dumps(taints)
    kubectl("-n", namespace, "delete", "job", "moves", "--wait=false")


def test_objects_outlive_etcd_and_the_api_server(
    kubectl: Kubectl, namespace: str, own_cluster: ModuleType
) -> None:
    kubectl("-n", namespace, "create", "configmap", "kept", "--from-literal=a=b")
    own_cluster.stop_etcd()
    with pytest.raises(ValueError, match="get configmap"):
        kubectl("-n", namespace, "get", "configmap", "kept", "--request-timeout=2s")
    own_cluster.start_etcd()
    own_cluster.restart_api_server()
    assert kubectl.json("-n", namespace, "get", "configmap", "kept")["data"] == {"a": "b"}
