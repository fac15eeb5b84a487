"""Servers that are started together: in order, again when they end, and none is left."""

import os
import signal
import subprocess
import sys
import time

import pytest

from components.config.home import Home
from components.core.errors import UsageError, UserError
from components.core.process import is_alive
from flows.commands.up import _alone, _check_ports
from flows.engines import free_port
from flows.up.processes import Fleet, State
from flows.up.services import Server

SLEEPS = (
    "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
)


def server(name, code=SLEEPS, **more):
    command = [sys.executable, "-c", code]
    given = {"option": "--port", "port": 1, "shows": "there", "answers": lambda: True, **more}
    return Server(name=name, command=command, **given)


def fleet(tmp_path, *servers):
    return Fleet.of(Home(root=tmp_path), list(servers), lambda _: None)


def until(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


def children(pid):
    shown = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return [int(line) for line in shown.stdout.split()]


def test_a_server_waits_for_those_that_it_needs_and_for_its_condition(tmp_path):
    there, champion = [], []
    when = (lambda: bool(champion), "waits for a champion")
    both = fleet(
        tmp_path,
        server("database", answers=lambda: bool(there)),
        server("service", after=("database",), when=when),
    )
    database, service = both.running
    try:
        both.step()
        assert (database.state, service.said) == (State.STARTING, "waits for database")
        there.append(1)
        both.step()
        both.step()
        assert (database.state, service.said) == (State.READY, "waits for a champion")
        champion.append(1)
        both.step()
        both.step()
        assert both.ready
    finally:
        both.stop()


def test_stopping_leaves_no_process_of_any_server(tmp_path):
    both = fleet(tmp_path, server("a"), server("b", "import signal; " + SLEEPS))
    both.step()
    pids = [one.process.pid for one in both.running]
    inner = [until(lambda pid=pid: children(pid))[0] for pid in pids]
    both.stop()
    assert until(lambda: not [pid for pid in (*pids, *inner) if is_alive(pid)])


def test_a_server_that_ends_by_itself_is_told_and_started_again(tmp_path):
    one = fleet(tmp_path, server("a", "import sys; sys.exit(3)"))
    running = one.running[0]
    one.step()
    running.process.wait()
    one.step()
    assert running.state is State.ENDED
    assert "exit code 3" in running.said
    assert "up-a.log" in running.said
    one.step()
    assert running.process is None  # not at once
    running.again = 0.0
    one.step()
    assert running.process is not None
    one.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="the system ends children on Linux alone")
def test_servers_end_even_if_their_launcher_is_killed(tmp_path):
    code = f"""
import sys, time
from pathlib import Path
from tests.flows.up.test_processes import fleet, server
one = fleet(Path({str(tmp_path)!r}), server("a"))
one.step()
print(one.running[0].process.pid, flush=True)
time.sleep(60)
"""
    launcher = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    pid = int(launcher.stdout.readline())
    launcher.kill()
    launcher.wait()
    launcher.stdout.close()
    assert until(lambda: not is_alive(pid))


def test_all_ports_that_are_taken_or_given_twice_are_refused_at_once():
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port, free = taken.getsockname()[1], free_port()
        servers = [
            server("mlflow", option="--mlflow-port", port=port),
            server("prefect", option="--prefect-port", port=free),
            server("service", port=free),
        ]
        with pytest.raises(UsageError) as refused:
            _check_ports(servers)
    first, second = str(refused.value).splitlines()
    assert f"mlflow: port {port}" in first
    assert "choose another with `--mlflow-port`" in first
    assert second == f"--port {free} is also the port of prefect"


def test_two_of_one_state_folder_are_refused(tmp_path):
    home = Home(root=tmp_path)
    with _alone(home), pytest.raises(UserError, match=f"process {os.getpid()}"), _alone(home):
        pass


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_real_servers_answer_and_are_gone_after_a_signal(tmp_path):
    ports = [free_port() for _ in range(3)]
    options = ["--port", "--mlflow-port", "--prefect-port"]
    given = [str(word) for pair in zip(options, ports, strict=True) for word in pair]
    environment = {k: v for k, v in os.environ.items() if k != "PREFECT_API_URL"}
    command = [sys.executable, "-m", "flows.cli", "up", *given]
    with subprocess.Popen(
        command,
        env={**environment, "CONCORD_HOME": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        said, ready = "", 0
        while ready < 2:
            line = running.stderr.readline()
            assert line, said
            said += line
            ready += line.rstrip().endswith("ready")
        assert "waits for a champion: `concord run CONFIG`" in said
        pids = children(running.pid)
        assert len(pids) == 2
        running.send_signal(signal.SIGINT)
        assert running.wait(40) == 0
    assert not [pid for pid in pids if is_alive(pid)]
    for port in ports:
        _check_ports([server("x", port=port)])
