"""A team's servers for tests: MLflow and Prefect, each on a PostgreSQL database of its own."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from flows.engines import QUIET
from tests.postgres import Postgres

_SECONDS = 150
_STOP_SECONDS = 10


@contextmanager
def mlflow(postgres: Postgres, address: str = "127.0.0.1") -> Iterator[str]:
    """Serve runs, models and artifacts until the block ends; yields the address."""
    port, folder = _free_port(address), Path(tempfile.mkdtemp(prefix="concord-mlflow-"))
    settings = {
        "MLFLOW_BACKEND_STORE_URI": postgres.url(postgres.database(), "postgresql+psycopg"),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # eight processes that judge language models
    }
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--host",
        address,
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    command += ["--serve-artifacts", "--artifacts-destination", str(folder / "artifacts")]
    try:
        with _running(command, settings, folder, f"http://{address}:{port}/health"):
            yield f"http://{address}:{port}"
    finally:
        shutil.rmtree(folder)


@contextmanager
def prefect(postgres: Postgres, address: str = "127.0.0.1") -> Iterator[str]:
    """Serve the orchestrator until the block ends; gives the address of its API.

    Prefect needs the extension ``pg_trgm``, which only a PostgreSQL of the system has.
    """
    port, folder = _free_port(address), Path(tempfile.mkdtemp(prefix="concord-prefect-"))
    settings = {
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_API_DATABASE_CONNECTION_URL": postgres.url(
            postgres.database(), "postgresql+asyncpg"
        ),
    }
    command = [
        sys.executable,
        "-m",
        "prefect",
        "server",
        "start",
        "--host",
        address,
        "--port",
        str(port),
    ]
    try:
        with _running(command, settings, folder, f"http://{address}:{port}/api/health"):
            yield f"http://{address}:{port}/api"
    finally:
        shutil.rmtree(folder)


@contextmanager
def _running(
    command: list[str], settings: dict[str, str], folder: Path, health: str
) -> Iterator[None]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env=os.environ | QUIET | settings,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        end = time.monotonic() + _SECONDS
        while not _answers(health):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < end, (folder / "log").read_text()
            time.sleep(0.2)
        yield
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # what it started, too
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.HTTPError:
        return False


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]
