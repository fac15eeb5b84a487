"""The two nodes: each a containerd and a kubelet of its own on this machine."""

import json
import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from components.core.errors import UserError
from tools.testcluster import credentials, processes
from tools.testcluster.binaries import binary
from tools.testcluster.control import kubectl
from tools.testcluster.layout import DNS_ADDRESS, NODES, STATE, Node
from tools.testcluster.network import CNI_BINARIES, CNI_CONFIG, unmount
from tools.testcluster.shell import run, wait_for

CONTAINERD = "/usr/bin/containerd"
CGROUPS = Path("/sys/fs/cgroup")
GPU = "nvidia.com/gpu"
GPU_PRODUCT = "nvidia.com/gpu.product"


def containerd_name(node: Node) -> str:
    """The process name of its container runtime."""
    return f"containerd-{node.name}"


def kubelet_name(node: Node) -> str:
    """The process name of its kubelet."""
    return f"kubelet-{node.name}"


def start_containerd(node: Node) -> None:
    """Start the container runtime of a node and wait until it answers."""
    node.folder.mkdir(parents=True, exist_ok=True)
    config = node.folder / "containerd.toml"
    config.write_text(_containerd_config(node), encoding="utf-8")
    processes.start(containerd_name(node), [CONTAINERD, "--config", str(config)])
    logs = processes.LOGS / f"{containerd_name(node)}.log"
    wait_for(f"containerd of {node.name}", lambda: _answers(node), 30, str(logs))


def start_kubelet(node: Node) -> None:
    """Start the kubelet of a node; it is Ready some seconds later."""
    config = node.folder / "kubelet.json"
    config.write_text(json.dumps(_kubelet_config(node), indent=2), encoding="utf-8")
    (STATE / "resolv.conf").write_text("", encoding="utf-8")
    _weigh()
    processes.start(
        kubelet_name(node),
        [
            binary("kubelet"),
            f"--config={config}",
            f"--kubeconfig={credentials.kubeconfig(node.name)}",
            f"--root-dir={node.folder / 'kubelet'}",
            f"--cert-dir={node.folder / 'kubelet-pki'}",
            f"--hostname-override={node.name}",
            f"--node-ip={node.address}",
        ],
    )


def _weigh() -> None:
    """Give all containers together the CPU weight of the nodes' offered processors.

    Else they weigh as much as one process of this machine, and starve beside a busy test.
    """
    shares = 1024 * (os.cpu_count() or 1) * len(NODES)
    for hierarchy in (CGROUPS / "cpu", CGROUPS / "cpu,cpuacct"):
        if (hierarchy / "cpu.shares").is_file():
            (hierarchy / "k8s.io").mkdir(exist_ok=True)
            (hierarchy / "k8s.io" / "cpu.shares").write_text(str(shares), encoding="ascii")


def ctr(node: Node, *arguments: str, timeout: float = 600) -> str:
    """Run a command of containerd's client on a node."""
    return run(
        ["ctr", "--address", str(node.socket), "--namespace", "k8s.io", *arguments], timeout=timeout
    )


def ready() -> set[str]:
    """Names of the nodes that the API server knows as Ready."""
    listed = json.loads(kubectl("get", "nodes", "-o", "json"))["items"]
    return {
        item["metadata"]["name"]
        for item in listed
        if any(
            each["type"] == "Ready" and each["status"] == "True"
            for each in item["status"].get("conditions", [])
        )
    }


def advertise_gpus(node: Node, count: int, resource: str = GPU) -> None:
    """Advertise GPUs on a node as an extended resource, the way Kubernetes documents for it."""
    path = resource.replace("~", "~0").replace("/", "~1")
    # The kubelet would copy `capacity` to `allocatable` only some seconds later.
    patch = [
        {"op": "add", "path": f"/status/{where}/{path}", "value": str(count)}
        for where in ("capacity", "allocatable")
    ]
    kubectl(
        "patch", "node", node.name, "--subresource=status", "--type=json", "-p", json.dumps(patch)
    )


def label(node: Node, labels: Mapping[str, str]) -> None:
    """Set labels of a node."""
    kubectl(
        "label",
        "node",
        node.name,
        "--overwrite",
        *(f"{key}={value}" for key, value in labels.items()),
    )


def equip(node: Node) -> None:
    """Give a node its GPU and its kind's label: a newly registered node has neither."""
    advertise_gpus(node, 1)
    label(node, {GPU_PRODUCT: "Test-GPU"})


def heartbeat(node: Node) -> str:
    """When the API server last heard from a kubelet; empty when it does not know the node."""
    try:
        return kubectl(
            "get",
            "node",
            node.name,
            "-o",
            "jsonpath={.metadata.uid} {.status.conditions[*].lastHeartbeatTime}",
        )
    except UserError:
        return ""


def kill_containers(node: Node) -> None:
    """Kill all container processes of a node and their shims at once."""
    for pid in processes.strays():
        command = processes.command_of(pid)
        if command and "shim" in command[0] and str(node.socket) in command:
            _kill(pid)
    wait_for(
        f"the end of the containers of {node.name}", lambda: not _kill_processes(node), 30, "ps"
    )


def clear(node: Node) -> None:
    """Unmount what a stopped node left mounted; remove its control groups and shim sockets."""
    unmount(node.folder)
    for bundle in _bundles(node):
        address = bundle / "address"
        if address.exists():
            Path(address.read_text(encoding="utf-8").removeprefix("unix://")).unlink(
                missing_ok=True
            )
    for group in _cgroups(node):
        with suppress(
            OSError
        ):  # a killed process may take a moment to leave; an empty group costs nothing
            group.rmdir()


def _bundles(node: Node) -> list[Path]:
    """One folder for each container that runs, or ran when its runtime ended."""
    return list(node.folder.glob("containerd-run/io.containerd.runtime.v2.task/k8s.io/*"))


def _cgroups(node: Node) -> list[Path]:
    """The containers' control groups, in every hierarchy (version 1) or the only one (2)."""
    tops = [CGROUPS, *(path for path in CGROUPS.iterdir() if path.is_dir())]
    found = [top / "k8s.io" / bundle.name for bundle in _bundles(node) for top in tops]
    return [path for path in found if path.is_dir()]


def _kill_processes(node: Node) -> int:
    found = []
    for group in _cgroups(node):
        with suppress(OSError):  # it may end while it is read
            found += [
                int(pid) for pid in (group / "cgroup.procs").read_text(encoding="utf-8").split()
            ]
    for pid in found:
        _kill(pid)
    return len(found)


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):  # already ended
        os.kill(pid, signal.SIGKILL)


def _answers(node: Node) -> bool:
    try:
        ctr(node, "version", timeout=5)
    except (UserError, subprocess.TimeoutExpired):
        return False
    return True


def _containerd_config(node: Node) -> str:
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    return f"""version = 2
root = "{node.folder / "containerd"}"
state = "{node.folder / "containerd-run"}"
disabled_plugins = ["io.containerd.internal.v1.restart"]
[grpc]
  address = "{node.socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{node.folder / "opt"}"
[{cri}]
  sandbox_image = "concord/pause:dev"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [{cri}.cni]
    bin_dir = "{CNI_BINARIES}"
    conf_dir = "{CNI_CONFIG}"
  [{cri}.containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [{cri}.containerd.runtimes.runc.options]
      Root = "{node.folder / "runc"}"
"""


def _kubelet_config(node: Node) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": node.address,
        "port": 10250,
        "healthzBindAddress": node.address,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(credentials.KUBELET_CLIENT)},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{node.socket}",
        "podLogsDir": str(node.folder / "pod-logs"),
        "volumePluginDir": str(node.folder / "volume-plugins"),
        "clusterDNS": [DNS_ADDRESS],
        "clusterDomain": "cluster.local",
        "resolvConf": str(STATE / "resolv.conf"),
        # The kubelet makes no hierarchy of its own; limits of containers still apply, in `k8s.io`.
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": False,
        "enforceNodeAllocatable": [],
        "failCgroupV1": False,
        "failSwapOn": False,
        "localStorageCapacityIsolation": False,
        "makeIPTablesUtilChains": False,
        # Images cannot be pulled again, and other programs on this machine fill the same disk.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "1%",
            "imagefs.available": "1%",
        },
        "nodeStatusUpdateFrequency": "5s",
        "nodeLeaseDurationSeconds": 20,
        "syncFrequency": "10s",
        "serializeImagePulls": False,
        "registerNode": True,
    }
