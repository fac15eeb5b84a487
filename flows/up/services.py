"""What `concord up` runs: each server's command, address and sign of life."""

import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from components.config.home import PREFECT, Home
from components.core.places import sqlite_url
from components.registry.mlflow_client import Store
from flows.up.postgres import PostgresPlace, server_user
from serving.defaults import HOST

SERVICE = "service"


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Where each server listens, all on this machine alone."""

    service: int
    mlflow: int
    prefect: int
    postgres: int | None = None
    """None: ledger and registry are SQLite files of the state folder."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """One server.

    Attributes:
        name: shown, and the name of its log.
        option: the option that sets its port.
        port: where it listens.
        shows: the address for people.
        command: starts it; the process stays in front.
        env: beside that of this process.
        answers: whether it is ready.
        user: whom it runs as; None is the user of this process.
        after: names of the servers that must be ready before it starts.
        when: what must be true before it starts; and what people read until then.
    """

    name: str
    option: str
    port: int
    shows: str
    command: list[str]
    answers: Callable[[], bool]
    env: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    user: str | None = None
    when: tuple[Callable[[], bool], str] = (lambda: True, "")


def servers(
    home: Home, ports: Ports, model: str | None, champion: Callable[[], bool]
) -> list[Server]:
    """The servers, in the order of their start; those that the environment names are left out.

    Args:
        home: the state folder.
        ports: where they listen.
        model: the registered model to serve; None serves the only one.
        champion: whether there is a version to serve.
    """
    found: list[Server] = []
    env: dict[str, str] = {}
    after: tuple[str, ...] = ()
    if ports.postgres is not None:
        place = PostgresPlace(home.root / "postgres", ports.postgres)
        found.append(_postgres(place))
        env = {
            "CONCORD_DATABASE_URL": place.url("concord"),
            "MLFLOW_TRACKING_URI": f"http://{HOST}:{ports.mlflow}",
        }
        after = ("postgres", "mlflow")
        found.append(_mlflow(home, ports.mlflow, place.url("mlflow", "postgresql+psycopg")))
    elif not home.server:
        found.append(_mlflow(home, ports.mlflow, None))
    if PREFECT not in os.environ:
        found.append(_prefect(home, ports.prefect))
    command = [sys.executable, "-m", "flows.cli", "serve", "--port", str(ports.service)]
    url = f"http://{HOST}:{ports.service}"
    service = Server(
        name=SERVICE,
        option="--port",
        port=ports.service,
        shows=url,
        command=[*command, *(["--model", model] if model else [])],
        env={**env, "CONCORD_HOME": str(home.root)},
        answers=lambda: _is_ok(f"{url}/readyz"),
        after=after,
        when=(champion, "waits for a champion: `concord run CONFIG`"),
    )
    return [*found, service]


def _postgres(place: PostgresPlace) -> Server:
    return Server(
        name="postgres",
        option="--postgres-port",
        port=place.port,
        shows=f"{HOST}:{place.port}",
        command=place.command,
        answers=place.answers,
        user=server_user(),
    )


def _mlflow(home: Home, port: int, database: str | None) -> Server:
    store = Store(Home(root=home.root))
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port)]
    if database is None:
        command += ["--default-artifact-root", str(store.artifacts), "--no-serve-artifacts"]
    else:
        command += ["--artifacts-destination", str(store.artifacts), "--serve-artifacts"]
    url = f"http://{HOST}:{port}"
    return Server(
        name="mlflow",
        option="--mlflow-port",
        port=port,
        shows=url,
        command=[*command, "--workers", "1"],
        env={
            "MLFLOW_BACKEND_STORE_URI": database or sqlite_url(store.database),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # processes that judge language models
        },
        answers=lambda: _is_ok(f"{url}/health"),
        after=("postgres",) if database else (),
    )


def _prefect(home: Home, port: int) -> Server:
    folder = os.environ.get("PREFECT_HOME", str(home.root / "prefect"))
    url = f"http://{HOST}:{port}"
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", HOST]
    return Server(
        name="prefect",
        option="--prefect-port",
        port=port,
        shows=url,
        command=[*command, "--port", str(port)],
        env={"PREFECT_HOME": folder, "PREFECT_API_URL": f"{url}/api"},
        answers=lambda: _is_ok(f"{url}/api/health"),
    )


def prepare(home: Home, wanted: list[Server]) -> None:
    """Create MLflow's database if it does not exist, as a run does (ten seconds).

    Raises:
        subprocess.CalledProcessError: it cannot be made; its words are on standard error.
    """
    store = Store(Home(root=home.root))
    by_file = any(s.name == "mlflow" and not s.after for s in wanted)
    if by_file and not store.database.is_file():
        command = [sys.executable, "-m", "components.registry.mlflow_client"]
        subprocess.run([*command, "--prepare", str(home.root)], check=True)


def _is_ok(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - our own addresses
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False
