"""Start the whole cluster, repair it, and remove it without a trace."""

import fcntl
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tools.testcluster import control, credentials, images, machine, network, nodes, processes
from tools.testcluster.binaries import COREDNS, KUBERNETES_MODULE, built
from tools.testcluster.layout import CACHE, NODES, STATE
from tools.testcluster.shell import say, wait_for

# Kubelets and shims always write there, whatever their configured folders.
_DEVICES, _LOGS, _SHIMS = (
    Path("/var/lib/kubelet/device-plugins"),
    Path("/var/log/containers"),
    Path("/run/containerd/s"),
)
_LOOPBACKS = Path("/var/lib/cni/results")


def up() -> bool:
    """Start what is not running and wait for both nodes; False when all of it ran already."""
    machine.require(machine.NODE_PACKAGES)
    with _only_one():
        for module in (KUBERNETES_MODULE, COREDNS):
            built(module)
        if is_up():
            return False
        started = time.monotonic()
        STATE.mkdir(parents=True, exist_ok=True)
        STATE.chmod(0o711)
        network.prepare()
        credentials.make()
        control.start()
        say(f"API server ready after {time.monotonic() - started:.1f} s")
        for node in NODES:
            nodes.start_containerd(node)
        images.ensure()
        for node in NODES:
            nodes.start_kubelet(node)
        names = {node.name for node in NODES}
        wait_for("both nodes", lambda: nodes.ready() >= names, 120, str(processes.LOGS))
        wait_for("the first service account", control.has_account, 60, str(processes.LOGS))
        for node in NODES:
            nodes.equip(node)
        say(f"both nodes Ready after {time.monotonic() - started:.1f} s")
    return True


def is_up() -> bool:
    """Whether every server runs and both nodes are Ready."""
    running = all(processes.pid_of(name) is not None for name in servers())
    return running and control.ready() and nodes.ready() >= {node.name for node in NODES}


def servers() -> list[str]:
    """Names of all processes that a whole cluster has."""
    plane = [control.ETCD, control.API_SERVER, control.CONTROLLERS, control.SCHEDULER, control.DNS]
    return plane + [
        name(node) for node in NODES for name in (nodes.containerd_name, nodes.kubelet_name)
    ]


def down() -> None:
    """Stop everything by process id and leave nothing behind but the cache of programs."""
    with _only_one():
        # Kubelets first: they would restart whatever is stopped before them.
        for node in NODES:
            processes.stop(nodes.kubelet_name(node), signal.SIGKILL)
        for node in NODES:
            nodes.kill_containers(node)
        for name in reversed(processes.known()):
            processes.stop(name, signal.SIGKILL)
        for pid in processes.strays():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_for("the end of every process", lambda: not processes.strays(), 30, "ps")
        network.unmount(STATE)
        for node in NODES:
            nodes.clear(node)
        network.remove()
        _remove_shared()
        if STATE.exists():
            shutil.rmtree(STATE)


def _remove_shared() -> None:
    for link in _LOGS.glob("*"):
        if link.is_symlink() and f"{STATE}/" in str(link.readlink()):
            link.unlink()
    groups: list[Path] = []
    if not _others("kubelet"):
        groups = [top / "k8s.io" for top in (nodes.CGROUPS, *nodes.CGROUPS.iterdir())]
        # Remains of killed containers, which their runtime had no time to remove.
        for path in [*_DEVICES.glob("*"), *_LOOPBACKS.glob("cni-loopback-*-lo")]:
            path.unlink()
    if not _others("containerd"):  # it may start a container at any moment
        for path in _SHIMS.glob("*"):
            path.unlink()
    shared = (
        _DEVICES,
        _DEVICES.parent,
        _LOGS,
        _SHIMS,
        _SHIMS.parent,
        _LOOPBACKS,
        _LOOPBACKS.parent,
    )
    for folder in (*shared, *groups):
        with suppress(OSError):  # missing, or in use by another program
            folder.rmdir()


def _others(program: str) -> bool:
    """Whether processes of a program outside this (stopped) cluster run."""
    names = (
        processes.command_of(int(folder.name))[:1]
        for folder in Path("/proc").iterdir()
        if folder.name.isdigit()
    )
    return any(Path(name[0]).name.startswith(program) for name in names if name)


@contextmanager
def _only_one() -> Iterator[None]:
    """Keep two commands from starting or stopping the cluster at the same time."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
