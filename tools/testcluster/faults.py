"""Faults of a cluster: kill its nodes, runtimes, etcd and API server, by process id."""

import shutil
import signal
from contextlib import suppress

from components.core.errors import UserError
from tools.testcluster import control, nodes, processes
from tools.testcluster.layout import node as node_called
from tools.testcluster.shell import wait_for


def kill_kubelet(node: str) -> None:
    """Kill a kubelet: its containers keep running, and the node is NotReady 20 s later."""
    processes.stop(nodes.kubelet_name(node_called(node)), signal.SIGKILL)


def start_kubelet(node: str) -> None:
    """Restart a killed kubelet and wait until the API server sees it and its GPUs again."""
    which = node_called(node)
    before = nodes.heartbeat(which)
    nodes.start_kubelet(which)
    logs = processes.LOGS / f"{nodes.kubelet_name(which)}.log"
    wait_for(
        f"{node} after its kubelet started", lambda: nodes.heartbeat(which) != before, 60, str(logs)
    )
    wait_for(node, lambda: node in nodes.ready(), 60, str(logs))
    nodes.equip(which)


def restart_containerd(node: str) -> None:
    """Kill and restart a node's container runtime; containers keep running in their shims."""
    which = node_called(node)
    processes.stop(nodes.containerd_name(which), signal.SIGKILL)
    nodes.start_containerd(which)


def lose_node(node: str) -> None:
    """Kill kubelet, runtime and all container processes of a node, as a power cut would."""
    which = node_called(node)
    processes.stop(nodes.kubelet_name(which), signal.SIGKILL)
    processes.stop(nodes.containerd_name(which), signal.SIGKILL)
    nodes.kill_containers(which)


def restore_node(node: str) -> None:
    """Start a lost node as after a reboot, remove its out-of-service taint, wait for Ready."""
    which = node_called(node)
    nodes.clear(which)
    for folder in ("containerd-run", "runc"):
        shutil.rmtree(which.folder / folder, ignore_errors=True)
    nodes.start_containerd(which)
    start_kubelet(node)
    with suppress(UserError):  # kubectl fails without the taint
        control.kubectl("taint", "node", node, "node.kubernetes.io/out-of-service-")


def stop_etcd() -> None:
    """Stop etcd: the API server stays and fails every request."""
    processes.stop(control.ETCD)


def start_etcd() -> None:
    """Start etcd again and wait until the API server is ready."""
    processes.start_again(control.ETCD)
    wait_for("the API server", control.ready, 60, str(processes.LOGS))


def restart_api_server() -> None:
    """Kill the API server, and with it every watch, start it again and wait until it is ready."""
    processes.stop(control.API_SERVER, signal.SIGKILL)
    processes.start_again(control.API_SERVER)
    wait_for("the API server", control.ready, 60, str(processes.LOGS))


def advertise_gpus(node: str, count: int) -> None:
    """Advertise this many GPUs on a node, until it is equipped again with its usual one."""
    nodes.advertise_gpus(node_called(node), count)


def label(node: str, labels: dict[str, str]) -> None:
    """Set labels of a node."""
    nodes.label(node_called(node), labels)
