"""Where the test cluster lives: its folders, its addresses and its two nodes."""

import os
from dataclasses import dataclass
from pathlib import Path

# Another number makes a second cluster: other addresses, ports, bridge and folder.
NUMBER = int(os.environ.get("CONCORD_TESTCLUSTER_NUMBER", "0"))
NAME = "concord-testcluster" + (f"-{NUMBER}" if NUMBER else "")
STATE = Path(os.environ.get("CONCORD_TESTCLUSTER_STATE", "/var/tmp")) / NAME  # noqa: S108  root makes it, for root alone
CACHE = Path(
    os.environ.get("CONCORD_TESTCLUSTER_CACHE", str(Path.home() / ".cache/concord-testcluster"))
)
KUBECONFIG = STATE / "kubeconfig"

SERVICE_RANGE = f"10.98.{NUMBER}.0/24"
# The API server listens on the `kubernetes` Service's address: pods reach it without kube-proxy.
API_ADDRESS = f"10.98.{NUMBER}.1"
API_URL = f"https://{API_ADDRESS}:443"
POD_RANGE = f"10.97.{NUMBER}.0/24"
POD_GATEWAY = f"10.97.{NUMBER}.1"
BRIDGE = f"concord{NUMBER}"
# On loopback no pod reaches them.
ETCD_URL = f"http://127.0.0.1:{23790 + NUMBER}"
ETCD_PEER_URL = f"http://127.0.0.1:{23890 + NUMBER}"
CONTROLLERS_PORT = 24010 + NUMBER
SCHEDULER_PORT = 24110 + NUMBER


@dataclass(frozen=True)
class Node:
    """One node: its name, its address on ``lo``, and its runtime's and kubelet's folders."""

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


NODES = (Node("node-1", f"10.99.{NUMBER}.1"), Node("node-2", f"10.99.{NUMBER}.2"))
DNS_ADDRESS = NODES[0].address


def node(name: str) -> Node:
    """The node of this name.

    Raises:
        KeyError: no such node.
    """
    return {each.name: each for each in NODES}[name]
