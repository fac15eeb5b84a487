"""Servers that outlive the command that starts them: start, find and stop by process id."""

import json
import os
import signal
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from components.core.errors import UserError
from tools.testcluster.layout import STATE
from tools.testcluster.shell import write

RUN = STATE / "run"
LOGS = STATE / "logs"


@dataclass(frozen=True)
class _Started:
    """The record of a started server."""

    pid: int
    argv: list[str]
    env: dict[str, str]


def start(name: str, argv: list[str], env: dict[str, str] | None = None) -> int:
    """Start a server in its own session unless it runs; log to ``logs/<name>.log``."""
    LOGS.mkdir(parents=True, exist_ok=True)
    running = pid_of(name)
    if running is not None:
        return running
    for pid in _all():  # started by a command that was killed before it could note that
        if command_of(pid) == argv:
            _note(name, _Started(pid, argv, env or {}))
            return pid
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    files = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
    files += [(os.POSIX_SPAWN_OPEN, fd, str(LOGS / f"{name}.log"), flags, 0o600) for fd in (1, 2)]
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(STATE), **(env or {})}
    pid = os.posix_spawn(argv[0], argv, environment, file_actions=files, setsid=True)
    _note(name, _Started(pid, argv, env or {}))
    give_up = time.monotonic() + 1
    while (
        command_of(pid) != argv and time.monotonic() < give_up
    ):  # for a moment it has no command line yet
        time.sleep(0.01)
    return pid


def start_again(name: str) -> int:
    """Restart a server with the command of its last start.

    Raises:
        UserError: it never ran.
    """
    about = _about(name)
    if about is None:
        raise UserError(
            f"got {name!r}, wanted a server that was started before: {', '.join(known()) or 'none'}"
        )
    return start(name, about.argv, about.env)


def stop(name: str, how: signal.Signals = signal.SIGTERM, wait_s: float = 20) -> bool:
    """Stop a server, by force after the timeout; False when it did not run."""
    pid = pid_of(name)
    if pid is None:
        return False
    os.kill(pid, how)
    give_up = time.monotonic() + wait_s
    while not _ended(pid):
        if time.monotonic() > give_up:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    return True


def pid_of(name: str) -> int | None:
    """The process id of a server; None when it does not run."""
    about = _about(name)
    if about is None:
        return None
    _reap(about.pid)
    return about.pid if command_of(about.pid) == about.argv else None


def known() -> list[str]:
    """Names of all servers that were ever started here."""
    return sorted(path.stem for path in RUN.glob("*.json"))


def command_of(pid: int) -> list[str]:
    """The command line of a process; empty when it ended or is a zombie."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except (FileNotFoundError, ProcessLookupError):
        return []


def strays() -> list[int]:
    """Processes whose command line names the state folder: ours, even without records."""
    ours, mine = f"{STATE}/", os.getpid()
    found = []
    for pid in _all():
        command = command_of(pid)
        if (
            pid != mine
            and any(ours in word for word in command[1:])
            and Path(command[0]).name in _SERVERS
        ):
            found.append(pid)
    return found


_SERVERS = {
    "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "coredns",
    "containerd", "containerd-shim-runc-v2",
}  # fmt: skip


def _all() -> list[int]:
    return [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()]


def _note(name: str, started: _Started) -> None:
    write(RUN / f"{name}.json", json.dumps(asdict(started)))


def _about(name: str) -> _Started | None:
    path = RUN / f"{name}.json"
    return _Started(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def _ended(pid: int) -> bool:
    """Whether a process has ended with all its threads, so that its ports are free.

    The command line goes before the open files do: a server that is started again in between
    finds its port in use.
    """
    _reap(pid)
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state in {"Z", "X"} and threads == 1


def _reap(pid: int) -> None:
    with suppress(ChildProcessError):  # an earlier command started it
        os.waitpid(pid, os.WNOHANG)
