"""`make cluster` recovers after a kill -9 of anything; `make cluster-down` leaves no trace."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from components.config.home import CHECKOUT
from tests.cluster.kubectl import Kubectl
from tools.testcluster.images import TEST

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("own_cluster")]
# A second cluster beside the one that the other tests use.
NUMBER = "9"
SERVERS = ["coredns", "containerd-node-1", "etcd", "kube-apiserver", "kubelet-node-2"]
FOLDERS = [
    "/var/tmp",  # noqa: S108
    "/var/lib/kubelet/device-plugins",
    "/var/lib/cni/results",
    "/var/log/containers",
]


def command(verb: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "tools.testcluster", verb]
    env = {**os.environ, "CONCORD_TESTCLUSTER_NUMBER": NUMBER}
    return subprocess.run(line, capture_output=True, text=True, cwd=CHECKOUT, env=env, check=False)


def traces(containers: list[str]) -> dict[str, object]:
    """Everything on this machine that belongs to the cluster of this number."""
    processes = [p.read_bytes() for p in Path("/proc").glob("[0-9]*/cmdline")]
    addresses = json.loads(
        subprocess.run(
            ["ip", "-json", "address"], capture_output=True, text=True, check=True
        ).stdout
    )
    return {
        "processes": [p for p in processes if f"testcluster-{NUMBER}".encode() in p],
        "mounts": [
            m for m in Path("/proc/mounts").read_text().splitlines() if f"testcluster-{NUMBER}" in m
        ],
        "groups": [p for i in containers for p in Path("/sys/fs/cgroup").glob(f"*/k8s.io/{i}")],
        "links": sorted(
            link["ifname"] for link in addresses if f"concord{NUMBER}" in link["ifname"]
        ),
        "addresses": sorted(
            a["local"]
            for link in addresses
            for a in link["addr_info"]
            if f".{NUMBER}." in a["local"]
        ),
        "files": [
            p
            for f in FOLDERS
            for p in Path(f).glob("*")
            if p.name.startswith((f"concord-testcluster-{NUMBER}", f"concord{NUMBER}"))
        ],
    }


@pytest.mark.timeout(400)
def test_a_cluster_is_mended_after_kill_9_and_leaves_nothing_behind() -> None:
    assert not any(traces([]).values())
    try:
        started = command("up")
        assert started.returncode == 0, started.stderr
        state = Path(started.stdout.strip().removeprefix("export KUBECONFIG=")).parent
        kubectl = Kubectl(state / "kubeconfig")
        kubectl(
            "run", "steady", f"--image={TEST}", "--image-pull-policy=Never", "--", "sleep", "600"
        )
        kubectl("wait", "pod/steady", "--for=condition=Ready", "--timeout=60s")
        for name in SERVERS:
            os.kill(json.loads((state / "run" / f"{name}.json").read_text())["pid"], signal.SIGKILL)
        assert command("status").returncode == 1
        mended = command("up")
        assert mended.returncode == 0, mended.stderr
        assert command("status").returncode == 0
        assert (
            kubectl.json("get", "pod", "steady")["status"]["containerStatuses"][0]["restartCount"]
            == 0
        )
        containers = [
            p.name
            for p in state.glob("node-*/containerd-run/io.containerd.runtime.v2.task/k8s.io/*")
        ]
        assert all(traces(containers).values()), (
            "a running cluster has left each kind of trace, so that their absence says something"
        )
    finally:
        gone = command("down")
    assert gone.returncode == 0, gone.stderr
    assert not any(traces(containers).values()), traces(containers)
    assert not state.exists()


def test_a_cluster_needs_root_and_says_so() -> None:
    script = (
        "import os, sys; from tools.testcluster.__main__ import main; "
        "os.setuid(65532); sys.exit(main(['up']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=CHECKOUT, check=False
    )
    assert done.returncode == 2
    assert "wanted root" in done.stderr
