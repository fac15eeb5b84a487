"""Starting the whole cluster, mending it, and taking it away without a trace."""

import fcntl
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from infra.testcluster import control, credentials, images, machine, network, nodes, processes
from infra.testcluster.binaries import COREDNS, KUBERNETES_MODULE, built
from infra.testcluster.layout import CACHE, CGROUP, NODES, STATE
from infra.testcluster.shell import say, wait_for

# Kubelets write there whatever their root folder is.
_SHARED = (Path("/var/lib/kubelet/device-plugins"), Path("/var/log/containers"))


def up() -> bool:
    """Start what does not run and wait until both nodes are Ready; False when all of it ran already."""
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
    return plane + [name(node) for node in NODES for name in (nodes.containerd_name, nodes.kubelet_name)]


def down() -> None:
    """Stop everything by process id and leave nothing behind but the cache of programs."""
    with _only_one():
        # Kubelets first: they would start again what is stopped after them.
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
    devices, logs = _SHARED
    for path in devices.glob("*") if devices.is_dir() else ():
        path.unlink()
    for link in logs.glob("*") if logs.is_dir() else ():
        if link.is_symlink() and str(STATE) in str(link.readlink()):
            link.unlink()
    tops = [top / CGROUP for top in (Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").iterdir())]
    for folder in (devices, devices.parent, logs, *tops):
        with suppress(OSError):  # someone else's, still in use
            folder.rmdir()


@contextmanager
def _only_one() -> Iterator[None]:
    """Keep two commands from starting or stopping the cluster at the same time."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
