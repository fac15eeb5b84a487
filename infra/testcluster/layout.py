"""Where the test cluster lives: its folders, its addresses and its two nodes."""

import os
from dataclasses import dataclass
from pathlib import Path

STATE = Path(os.environ.get("CONCORD_TESTCLUSTER_STATE", "/var/tmp/concord-testcluster"))  # noqa: S108  root makes it, 0711
CACHE = Path(os.environ.get("CONCORD_TESTCLUSTER_CACHE", str(Path.home() / ".cache/concord-testcluster")))
KUBECONFIG = STATE / "kubeconfig"

SERVICE_RANGE = "10.98.0.0/24"
# The API server listens on the very address of the `kubernetes` Service, so pods reach it without kube-proxy.
API_ADDRESS = "10.98.0.1"
API_URL = f"https://{API_ADDRESS}:443"
POD_RANGE = "10.97.0.0/16"
POD_GATEWAY = "10.97.0.1"
BRIDGE = "concord0"
ETCD_URL = "http://127.0.0.1:23790"  # loopback: no pod reaches it
ETCD_PEER_URL = "http://127.0.0.1:23800"
CGROUP = "concord-testcluster"


@dataclass(frozen=True)
class Node:
    """One node: its name, its address on ``lo``, and the folders of its container runtime and kubelet."""

    name: str
    address: str

    @property
    def folder(self) -> Path:
        """Everything of this node."""
        return STATE / self.name

    @property
    def socket(self) -> Path:
        """Where its containerd answers."""
        return self.folder / "containerd.sock"

    @property
    def cgroup(self) -> str:
        """The control group above its containers, as the kubelet names it."""
        return f"/{CGROUP}/{self.name}"


NODES = (Node("node-1", "10.99.0.1"), Node("node-2", "10.99.0.2"))
DNS_ADDRESS = NODES[0].address


def node(name: str) -> Node:
    """The node of this name.

    Raises:
        KeyError: there is none.
    """
    return {each.name: each for each in NODES}[name]
