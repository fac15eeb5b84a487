"""A process is its number and its start; a user may have no name; loopback needs no proxy."""

import getpass
import json
import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.request import urlopen

import httpx
import pytest

from components.config.home import Home, find
from components.core.errors import UsageError
from components.core.loopback import reach_directly
from components.core.process import is_alive, started
from components.core.user import user
from flows.engines import Engines
from flows.runs.records import RunRecord, Runs

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture
def sleeper():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def test_a_process_is_alive_until_it_ends_and_a_zombie_has_ended(sleeper):
    began = started(sleeper.pid)
    assert began
    assert is_alive(sleeper.pid, began)
    sleeper.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie
    assert not is_alive(sleeper.pid, began)
    sleeper.wait()
    assert not is_alive(sleeper.pid, began)


def test_a_number_that_now_belongs_to_somebody_else_is_not_the_process(sleeper):
    assert not is_alive(sleeper.pid, started(os.getpid()) + "0")
    assert is_alive(sleeper.pid)  # records of before hold the number alone
    assert not is_alive(2**31 - 1)
    assert not is_alive(2**70)


def record(**changes):
    known = {"run_id": "20260101-000000-aaaaaa", "name": "m", "started": "", "config": {}}
    return RunRecord(**known, config_path="c.yaml", data_digest="d", **changes)


def test_a_run_whose_number_was_given_away_is_interrupted_and_cannot_be_cancelled(tmp_path):
    runs = Runs(Home(root=tmp_path))
    runs.write(record(pid=os.getpid(), began=started(os.getpid())))
    assert runs.get("latest").status == "running"
    runs.write(record(pid=os.getpid(), began="another boot:1"))
    assert runs.get("latest").status == "interrupted"


class _Healthy(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"true")

    def log_message(self, *_):
        pass


@pytest.fixture
def healthy():
    server = HTTPServer(("127.0.0.1", 0), _Healthy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_only_the_server_of_this_very_home_is_used_again(tmp_path, healthy, sleeper):
    engines = Engines(home=Home(root=tmp_path))
    engines.home.engines.mkdir()
    known = {"url": healthy, "pid": sleeper.pid, "services": False}
    ours = known | {"started": started(sleeper.pid), "home": str(tmp_path)}

    def used(about):
        (tmp_path / "engines" / "prefect.json").write_text(json.dumps(about))
        return engines._running()

    assert used(ours) == healthy
    assert used(ours | {"home": str(tmp_path / "first")}) is None  # a copied home
    assert used(ours | {"started": "another boot:1"}) is None
    assert used(known) is None  # of an earlier revision
    engines.services = True
    assert used(ours) is None


@pytest.mark.parametrize("error", [KeyError("getpwuid(): uid not found"), OSError("no user")])
def test_a_user_without_a_name_is_named_by_number(monkeypatch, error):
    def fails():
        raise error

    monkeypatch.setattr(getpass, "getuser", fails)
    assert user() == f"user {os.getuid()}"


def test_without_a_home_of_the_user_the_state_folder_must_be_named(monkeypatch, tmp_path):
    monkeypatch.setattr("components.config.home.CHECKOUT", tmp_path)
    monkeypatch.delenv("CONCORD_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("os.getuid", lambda: 4_000_000_000)
    with pytest.raises(UsageError, match="set CONCORD_HOME"):
        find()
    monkeypatch.setenv("CONCORD_HOME", str(tmp_path / "home"))
    assert find().root == tmp_path / "home"


@pytest.mark.parametrize(
    "variables",
    [
        {"http_proxy": "http://127.0.0.1:9"}, {"HTTP_PROXY": "http://127.0.0.1:9"},
        {"http_proxy": "127.0.0.1:9"}, {"all_proxy": "http://127.0.0.1:9"},
        {"ALL_PROXY": "socks5://127.0.0.1:9"}, {"http_proxy": "socks4://127.0.0.1:9"},
        {"http_proxy": "htp://127.0.0.1:9"}, {"http_proxy": "http://127.0.0.1:port"},
        {"http_proxy": "http://127.0.0.1:9", "NO_PROXY": "example.org"},
        {"http_proxy": "http://127.0.0.1:9", "no_proxy": "example.org, 10.0.0.0/8"},
    ],
    ids=str,
)  # fmt: skip
def test_a_server_of_this_machine_is_reached_whatever_proxy_is_set(monkeypatch, healthy, variables):
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("no_proxy", variables.get("no_proxy", variables.get("NO_PROXY", "")))
    reach_directly(os.environ)
    assert httpx.get(healthy).text == "true"
    assert urlopen(healthy).read() == b"true"  # noqa: S310
    kept = variables.get("no_proxy", variables.get("NO_PROXY", ""))
    assert os.environ["no_proxy"].startswith(kept.replace(" ", ""))
    assert os.environ["NO_PROXY"].endswith("127.0.0.1,localhost,::1")


def test_no_proxy_for_anything_stays_so():
    variables = {"no_proxy": "*"}
    reach_directly(variables)
    assert variables == {"no_proxy": "*", "NO_PROXY": "*"}
