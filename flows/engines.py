"""The engines of a run: Prefect's server and MLflow's database.

They start beside other work, and a run waits for them only when it needs them.

A team's servers are named by the environment (see `components.config.home`) and are not started.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from components.config import temporary
from components.config.home import PREFECT, Home, in_cluster, missing_in_pod
from components.core.errors import UsageError, UserError
from components.core.files import read_json, write_json
from components.core.loopback import reach_directly
from components.core.places import sqlite_url
from components.core.process import is_alive
from components.core.process import started as began
from flows.display import console

QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_LOGGING_SERVER_LEVEL": "WARNING",
    # Lines of training pods go to the run's log.
    "PREFECT_LOGGING_LOGGERS_PREFECT_TASK_RUNS_LEVEL": "INFO",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ASSISTANT": "false",
    "BENTOML_DO_NOT_TRACK": "true",
    "DVC_NO_ANALYTICS": "1",
    "ITERATIVE_DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_WAIT_POLICY": "PASSIVE",
}
"""Telemetry and model hubs are off, and logs are quiet.

Waiting threads do not spin, which is many times faster on busy cores.
"""

ADDRESS = "prefect.json"
"""File of the state folder with the address of the Prefect server that runs for it."""
_PREFECT_TIMEOUT = 180.0
"""Seconds; a first start migrates its database (33 s on a busy pair of cores)."""


def quiet() -> None:
    """Set the environment for all libraries and child processes; what the user set stays."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    reach_directly(os.environ)


@dataclass(kw_only=True)
class Engines:
    """The engines of one run; ``seconds`` is the time that the run waited for them."""

    home: Home
    services: bool = False
    """Whether Prefect's server also schedules deployments."""
    seconds: float = 0.0
    _server: subprocess.Popen[bytes] | None = None
    _registry: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start what is not running yet; returns at once.

        Raises:
            UsageError: this is a pod, and the address of Prefect's server is not set.
            UserError: no space is left for temporary files.
        """
        if in_cluster() and PREFECT not in os.environ:
            raise UsageError(missing_in_pod(PREFECT))
        temporary.settle(self.home, console.print)
        self.home.engines.mkdir(parents=True, exist_ok=True)
        os.environ.setdefault("PREFECT_HOME", str(self.home.root / "prefect"))
        prefect = sqlite_url(Path(os.environ["PREFECT_HOME"]) / "prefect.db", "sqlite+aiosqlite")
        if "?" in prefect:  # Prefect's own URL ends there
            os.environ.setdefault("PREFECT_SERVER_DATABASE_CONNECTION_URL", prefect)
        if PREFECT not in os.environ:
            self._start_prefect()

    def wait_for_prefect(self) -> None:
        """Return when Prefect's server answers; MLflow's database is made from then on.

        Raises:
            UserError: it ended or did not answer in time; the message names its log.
        """
        start = time.monotonic()
        url = os.environ[PREFECT]
        while not _answers(url):
            if self._server is not None and self._server.poll() is not None:
                raise UserError(
                    f"Prefect's server exited with code {self._server.returncode}; "
                    f"its log: {self._log('prefect')}"
                )
            if time.monotonic() - start > _PREFECT_TIMEOUT:
                raise UserError(
                    f"Prefect's server at {url} did not answer in {_PREFECT_TIMEOUT:.0f} s; "
                    f"its log: {self._log('prefect')}"
                )
            time.sleep(0.1)
        self.seconds += time.monotonic() - start
        self._prepare_mlflow()

    def stop(self) -> None:
        """Stop the engines that this run started."""
        for process in (self._registry, self._server):
            if process is None:
                continue
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._server is not None:
            if self._known().get("pid") == self._server.pid:  # not that of another process
                self._address.unlink(missing_ok=True)
            os.environ.pop(PREFECT, None)

    @property
    def _address(self) -> Path:
        return self.home.engines / ADDRESS

    def _log(self, name: str) -> Path:
        return self.home.engines / f"{name}.log"

    def _start_prefect(self) -> None:
        if (url := self._running()) is not None:
            os.environ[PREFECT] = url
            return
        port = free_port()
        command = [
            sys.executable,
            "-m",
            "prefect",
            "server",
            "start",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
        ]
        command += [] if self.services else ["--no-services"]
        self._server = self._spawn("prefect", command)
        url = f"http://127.0.0.1:{port}/api"
        os.environ[PREFECT] = url
        pid = self._server.pid
        tell(self.home, url, pid, services=self.services)

    def _prepare_mlflow(self) -> None:
        """Make MLflow's database beside the first steps: none is read before a registration."""
        made = (self.home.root / "mlflow" / "mlflow.db").is_file()
        if made or self.home.server or self._registry is not None:
            return
        module = "components.registry.mlflow_client"
        command = [sys.executable, "-m", module, "--prepare", str(self.home.root)]
        self._registry = self._spawn("mlflow", command)

    def _running(self) -> str | None:
        """The address of a server that another process of this home started and that answers.

        Its port may be another program's by now, and a copied home holds the address of the server
        of the first one.
        """
        known = self._known()
        url = str(known.get("url"))
        ours = known.get("home") == str(self.home.root) and (
            known.get("services") or not self.services
        )
        if not ours or not is_alive(int(str(known["pid"])), str(known["started"])):
            return None
        return url if _answers(url) else None

    def _known(self) -> dict[str, object]:
        return read_json(self._address) if self._address.is_file() else {}

    def _spawn(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        # Its own session: a terminal's Ctrl-C reaches the run alone, which then stops its engines.
        # PDEATHSIG: they end with the run even when it is killed with SIGKILL.
        with self._log(name).open("ab") as log:
            return subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                preexec_fn=die_with_parent,  # noqa: PLW1509
            )


@contextmanager
def started(home: Home, *, services: bool = False) -> Iterator[Engines]:
    """Start the engines, and stop them when the block ends."""
    quiet()
    engines = Engines(home=home, services=services)
    engines.start()
    try:
        yield engines
    finally:
        engines.stop()


def free_port() -> int:
    """A loopback port that no process listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def tell(home: Home, url: str, pid: int, *, services: bool) -> None:
    """Let runs of a state folder use a Prefect server that was started for it.

    Args:
        home: the state folder.
        url: of its API.
        pid: of its process.
        services: whether it also schedules deployments.
    """
    about = {"url": url, "pid": pid, "services": services}
    here = {"started": began(pid), "home": str(home.root)}
    write_json(home.engines / ADDRESS, about | here)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as response:  # noqa: S310
            return bool(json.load(response))
    except (urllib.error.URLError, OSError, ValueError):
        return False


def die_with_parent() -> None:
    """Leave the terminal's process group, and ask Linux for SIGTERM when the parent dies.

    Runs in the child; see prctl(2).
    """
    os.setsid()
    if sys.platform == "linux":
        import ctypes

        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
