"""The cluster's network: addresses on ``lo`` and one bridge for the pods; and its removal."""

import json
import subprocess
from contextlib import suppress
from pathlib import Path

from tools.testcluster.layout import API_ADDRESS, BRIDGE, NODES, POD_GATEWAY, POD_RANGE, STATE

CNI_BINARIES = Path("/usr/lib/cni")
CNI_CONFIG = STATE / "cni"
_CNI_RESULTS = Path("/var/lib/cni/results")  # containerd keeps them there whatever its folders are


def prepare() -> None:
    """Give ``lo`` the nodes' and the API service's addresses, write the pods' network file."""
    for address in (API_ADDRESS, *(node.address for node in NODES)):
        _ip("address", "replace", f"{address}/32", "dev", "lo")
    CNI_CONFIG.mkdir(parents=True, exist_ok=True)
    # One bridge and one list of assigned addresses: pods of both nodes are neighbours, and this
    # machine is their gateway.
    bridge = {
        "type": "bridge",
        "bridge": BRIDGE,
        "isGateway": True,
        "ipMasq": False,
        "ipam": {
            "type": "host-local",
            "dataDir": str(STATE / "addresses"),
            "ranges": [[{"subnet": POD_RANGE, "gateway": POD_GATEWAY}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    network = {"cniVersion": "0.4.0", "name": BRIDGE, "plugins": [bridge]}
    (CNI_CONFIG / "10-concord.conflist").write_text(json.dumps(network, indent=2), encoding="utf-8")


def remove() -> None:
    """Remove the addresses and the bridge."""
    for address in (API_ADDRESS, *(node.address for node in NODES)):
        _ip("address", "delete", f"{address}/32", "dev", "lo", check=False)
    _ip("link", "delete", BRIDGE, check=False)
    for path in _CNI_RESULTS.glob(f"{BRIDGE}-*"):
        path.unlink()
    for folder in (_CNI_RESULTS, _CNI_RESULTS.parent):
        with suppress(OSError):  # missing, or in use by another program
            folder.rmdir()


def unmount(folder: Path) -> None:
    """Unmount everything at or below a folder, the deepest first."""
    lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    points = [line.split()[1].encode().decode("unicode_escape") for line in lines]
    inside = [point for point in points if Path(point).is_relative_to(folder)]
    for point in reversed(inside):
        subprocess.run(["umount", "--lazy", point], check=False, capture_output=True)


def _ip(*arguments: str, check: bool = True) -> None:
    subprocess.run(["ip", *arguments], check=check, capture_output=True)
