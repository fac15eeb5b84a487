"""``concord up``: start the small team's servers, show them, and end them together."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from filelock import FileLock, Timeout

from components.config import temporary
from components.config.home import DATABASE, Home, find, writable
from components.core.errors import UsageError, UserError
from components.registry.promotion import Promotion
from components.registry.versions import models
from flows import engines
from flows.commands.answer import Answer
from flows.commands.registry import only_model
from flows.display import console
from flows.up import screen
from flows.up.postgres import PostgresPlace
from flows.up.processes import Fleet, Running, State
from flows.up.services import Ports, Server, prepare, servers
from serving.address import check_port
from serving.defaults import HOST

_STEP_SECONDS = 0.5


def up(model: str | None, ports: Ports) -> Answer:
    """Run all servers until SIGINT or SIGTERM."""
    engines.quiet()
    home = writable(find())
    with _alone(home):
        ledger = home
        if ports.postgres is not None:
            ledger = _with_postgres(home, ports.postgres, ports.mlflow)
        elif model or models(home):
            model = only_model(home, model)
        wanted = servers(home, ports, model, lambda: _has_champion(ledger, model))
        _check_ports(wanted)
        temporary.settle(home, console.print)
        try:
            prepare(home, wanted)
        except subprocess.CalledProcessError as error:
            raise UserError("MLflow's database cannot be created; its output is above") from error
        served = _run(home, wanted)
    return Answer(
        value={"servers": {s.name: s.shows for s in wanted}, "ready": served},
        text=f"stopped: {', '.join(s.name for s in wanted)}",
        then="concord up",
    )


def _with_postgres(home: Home, port: int, mlflow: int) -> Home:
    """The state folder with a database and a registry of its own server.

    Raises:
        UsageError: the environment names a database already.
        UserError: PostgreSQL is not installed, or its files cannot be made.
    """
    if home.database:
        raise UsageError(f"{DATABASE} already names a server; unset it, or leave out --postgres")
    place = PostgresPlace(home.root / "postgres", port)
    place.make()
    registry = f"http://{HOST}:{mlflow}"
    console.print(f"in other shells: {place.exports(registry)}", markup=False, soft_wrap=True)
    return replace(home, database=place.url("concord"), server=registry)


def _run(home: Home, wanted: list[Server]) -> bool:
    """Run until a signal; returns whether all were ready at some time."""
    stopping, was_ready = threading.Event(), False
    fleet = Fleet.of(home, wanted, lambda one: _changed(home, one))
    with _signals(stopping.set):
        try:
            with screen.live(fleet):
                while not stopping.is_set():
                    fleet.step()
                    if fleet.ready and not was_ready:
                        was_ready = True
                        console.print("all servers are ready; Ctrl-C stops them")
                    stopping.wait(_STEP_SECONDS)
        finally:
            fleet.stop()
            (home.engines / engines.ADDRESS).unlink(missing_ok=True)
    return was_ready


def _changed(home: Home, one: Running) -> None:
    """Tell a change; runs of this state folder use the orchestrator that is ready here."""
    screen.line(one)
    if one.server.name == "prefect" and one.state is State.READY and one.process is not None:
        engines.tell(home, one.server.env["PREFECT_API_URL"], one.process.pid, services=True)


def _has_champion(home: Home, model: str | None) -> bool:
    known = [model] if model else models(home)
    return len(known) == 1 and Promotion(home, known[0]).champion() is not None


def _check_ports(wanted: list[Server]) -> None:
    """Refuse ports that are taken or given twice, before anything is started.

    Raises:
        UsageError: lists all of them.
    """
    problems, seen = [], dict[int, str]()
    for server in wanted:
        if server.port in seen:
            problems.append(
                f"{server.option} {server.port} is also the port of {seen[server.port]}"
            )
            continue
        seen[server.port] = server.name
        try:
            check_port(HOST, server.port, server.option)
        except UsageError as error:
            problems.append(f"{server.name}: {error}")
    if problems:
        raise UsageError("\n".join(problems))


@contextmanager
def _alone(home: Home) -> Iterator[None]:
    holder = home.root / "up.json"
    try:
        with FileLock(home.root / "up.lock", timeout=0):
            holder.write_text(json.dumps({"pid": os.getpid()}), encoding="utf-8")
            yield
            holder.unlink(missing_ok=True)
    except Timeout as error:
        pid = json.loads(holder.read_text())["pid"] if holder.is_file() else "another"
        raise UserError(
            f"`concord up` is already running for {home.root} (process {pid}); stop that one first"
        ) from error


@contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    """SIGINT and SIGTERM stop; a second one is not needed, since stopping has a time limit."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {n: signal.signal(n, lambda *_: stop()) for n in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
