"""Real servers on the loopback: they answer, follow the champion, and leave nothing behind."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from http.client import HTTPConnection, HTTPResponse

import httpx
import psutil
import pytest

from components.config.home import find
from components.core.errors import UsageError, UserError
from components.core.files import write_json
from components.core.refs import digest_folder
from components.model.listing import FILES
from components.prediction.format import digests as digests_of
from components.prediction.predictor import Predictor
from components.registry.ledger import Entry, Ledger
from components.registry.promotion import Promotion
from serving import address, bentos, follow
from serving import process as processes
from serving.client import Client
from tests.packaged import packed
from tests.serving.conftest import free_port
from tests.stores import ROOT

NOW = "2026-01-02T03:04:05+00:00"


def wait_for(what, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.1)
    raise AssertionError("it did not happen in time")


def listens(port):
    try:
        address.check_port("127.0.0.1", port)
    except UsageError:
        return True
    return False


def version_at(port):
    try:
        return httpx.get(f"http://127.0.0.1:{port}/v1/model", trust_env=False, timeout=10).json()[
            "version"
        ]
    except (httpx.HTTPError, ValueError):
        return None


@pytest.mark.slow
def test_a_connection_outlives_the_usual_idle_time_of_clients(endpoint):
    """A server that closes after five seconds, as clients do, closes under some requests."""
    connection = HTTPConnection("127.0.0.1", endpoint.port, timeout=30)
    for idle in (7, 0):
        connection.request("GET", "/readyz")
        with connection.getresponse() as response:
            assert response.status == 200
            response.read()
        time.sleep(idle)
    connection.close()


def test_the_live_server_answers_as_the_package_does(client):
    predictor = Predictor.load(packed().package)
    records = [packed().source.raw(row) for row in range(5)]
    body = client.classify(records)
    assert body["model"] == {
        "name": "tiny",
        "version": 3,
        "package_digest": digest_folder(packed().package),
    }
    for answer, wanted in zip(body["answers"], predictor.predict(records), strict=True):
        assert answer["label"] == wanted.label
        assert answer["probabilities"] == pytest.approx(wanted.probabilities, abs=1e-4)
    picture = next(p for p in packed().source.raws["image"] if p)
    hits = client.search({"image": picture}, target="text", k=3)["hits"]
    assert [h["id"] for h in hits] == [
        h.id for h in predictor.search({"image": picture}, target="text", k=3)
    ]
    assert client.media(hits[0]["media"]["text"]).decode() == predictor.preview(
        hits[0]["id"], "text"
    )
    assert client.model()["records"] == 200


def test_health_metrics_and_the_page_are_there(endpoint):
    with httpx.Client(base_url=endpoint.url, trust_env=False) as http:
        assert [
            http.get(p).status_code
            for p in ("/livez", "/readyz", "/docs", "/docs/assets/swagger-ui.css")
        ] == [200] * 4
        assert 'src="ui/app.js"' in http.get("/").text
        assert http.get("/ui/app.js").headers["content-type"] == "text/javascript; charset=utf-8"
        http.get("/v1/model")
        metrics = http.get("/metrics").text
    assert re.search(r'concord_requests_total\{path="/v1/model",status="200"\} [1-9]', metrics)


def test_refusals_come_back_as_one_sentence(client):
    with pytest.raises(UserError, match=r"HTTP 422.*records\.0\.facts\.wieght.*weight"):
        client.classify([{"facts": {"wieght": 1}}])
    with pytest.raises(UserError, match=r"at most 5 items"):
        client.classify([{"text": "a"}] * 6)
    with pytest.raises(UserError, match=r"HTTP 404"):
        client.media("/v1/records/nobody/media/text")
    with (
        Client(f"http://127.0.0.1:{free_port()}") as nobody,
        pytest.raises(UserError, match="concord serve"),
    ):
        nobody.model()


@pytest.mark.parametrize(
    "sent", [b"GARBAGE\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"\x16\x03\x01\x02\r\n\r\n"]
)
def test_what_is_no_http_is_refused_in_the_same_form(endpoint, sent):
    with socket.create_connection((endpoint.host, endpoint.port), 10) as connection:
        connection.sendall(sent)
        answer = HTTPResponse(connection)
        answer.begin()
        problem = {
            "field": "request",
            "got": "something other than HTTP/1.1",
            "wanted": "a valid request",
        }
        assert (answer.status, answer.headers["content-type"]) == (400, "application/json")
        assert json.loads(answer.read())["problems"] == [problem]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "server" not in answer.headers
        assert connection.recv(1) == b""


def test_a_taken_port_is_named_before_anything_starts(endpoint, bento, tmp_path):
    with pytest.raises(UsageError, match=rf"port {endpoint.port} .*process \d+ .*--port"):
        processes.start(
            bento, host="127.0.0.1", port=endpoint.port, version=1, log=tmp_path / "log"
        )
    with pytest.raises(UsageError, match="no address"):
        processes.start(
            bento, host="no.such.host.invalid", port=free_port(), version=1, log=tmp_path / "log"
        )
    with pytest.raises(UserError, match="no Bento"):
        processes.start(
            tmp_path, host="127.0.0.1", port=free_port(), version=1, log=tmp_path / "log"
        )
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_does_not_start_is_stopped_and_its_log_is_shown(tmp_path, bento):
    broken = tmp_path / "bento"
    shutil.copytree(bento, broken)
    (broken / "src" / "package" / "model.json").write_text("{")
    port = free_port()
    with pytest.raises(UserError, match=r"(?s)ended before it was ready.*log.*JSON"):
        processes.start(broken, host="127.0.0.1", port=port, version=1, log=tmp_path / "log")
    assert not listens(port)


def registered(home, versions=1):
    """Versions 1, 2, ... in the ledger: the package, and copies of it with another card."""
    home.root.mkdir(parents=True, exist_ok=True)
    digests = []
    for version in range(1, versions + 1):
        package = home.root / f"package-{version}"
        if version == 1:
            package.symlink_to(packed().package)
        else:
            shutil.copytree(packed().package, package)
            (package / "card.md").write_text(f"# Another card: {version}\n")
            write_json(package / FILES, {"files": digests_of(package)})
        digests.append(digest_folder(package))
        entry = Entry(
            time=NOW, model="tiny", kind="registration", version=version,
            package_digest=digests[-1], actor="gate", details={"package": package.name},
        )  # fmt: skip
        Ledger(home.ledger).append(entry)
    return digests


def promoted(home, version, digest):
    Ledger(home.ledger).append(
        Entry(
            time=NOW,
            model="tiny",
            kind="promotion",
            version=version,
            package_digest=digest,
            actor="ada",
            details={},
        )
    )


def supervisor(home, port):
    code = (
        "import sys; from pathlib import Path; "
        "from components.config.home import find; from serving.follow import supervise\n"
        "told = lambda line: print(line, flush=True)\n"
        "supervise(find(Path(sys.argv[1])), 'tiny', host='127.0.0.1', port=int(sys.argv[2]), "
        "told=told, poll_seconds=0.2)\n"
        "assert 'mlflow' not in sys.modules and 'torch' not in sys.modules"
    )
    command = [sys.executable, "-c", code, str(home.root), str(port)]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_supervise_follows_the_champion_and_ends_clean(tmp_path, bento):
    """The first Bento is installed as in a run, the second one is built."""
    home, port = find(tmp_path / ".concord"), free_port()
    one, two = registered(home, 2)
    bentos.install(home, Promotion(home, "tiny").versions().all()[0], bento)
    promoted(home, 1, one)
    process = supervisor(home, port)
    try:
        wait_for(lambda: version_at(port) == 1)
        children = psutil.Process(process.pid).children(recursive=True)
        promoted(home, 2, two)
        wait_for(lambda: version_at(port) == 2)
        assert all(child.is_running() for child in children)
        assert len(children) >= 2
        told = [process.stdout.readline(), process.stdout.readline()]
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert [line.split(" at ")[0] for line in [*told, *out.splitlines()]] == [
        "serving tiny version 1", "serving tiny version 2", "stopped",
    ]  # fmt: skip
    assert not any(child.is_running() for child in children)
    assert not listens(port)


def test_no_server_outlives_a_launcher_that_was_killed(bento, tmp_path):
    port = free_port()
    code = (
        "import sys, time; from pathlib import Path; from serving.process import start\n"
        "bento, log = Path(sys.argv[1]), Path(sys.argv[3])\n"
        "start(bento, host='127.0.0.1', port=int(sys.argv[2]), version=1, log=log)\n"
        "print('ready', flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", code, str(bento), str(port), str(tmp_path / "log")]
    launcher = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert launcher.stdout.readline() == "ready\n"
    children = psutil.Process(launcher.pid).children(recursive=True)
    os.kill(launcher.pid, signal.SIGKILL)
    launcher.communicate()
    wait_for(
        lambda: not any(c.is_running() and c.status() != psutil.STATUS_ZOMBIE for c in children), 30
    )
    wait_for(lambda: not listens(port), 10)


def test_installing_a_bento_twice_changes_nothing_and_new_code_replaces_it(tmp_path, bento):
    home = find(tmp_path / ".concord")
    registered(home)
    (version,) = Promotion(home, "tiny").versions().all()
    bentos.install(home, version, bento)
    installed = bentos.bento_of(home, version)
    assert digest_folder(installed) == digest_folder(bento)
    before = installed.stat().st_ino
    bentos.install(home, version, bento)
    assert installed.stat().st_ino == before
    shutil.copytree(bento, tmp_path / "other")
    (tmp_path / "other" / "src" / "serving" / "service.py").write_text("# another version")
    bentos.install(home, version, tmp_path / "other")
    assert digest_folder(installed) == digest_folder(tmp_path / "other")


def test_without_a_champion_it_says_what_to_do(tmp_path):
    home = find(tmp_path / "home")
    with pytest.raises(UserError, match=r"no champion.*concord run"):
        follow.supervise(home, "tiny", host="127.0.0.1", port=free_port(), told=print)
    (one,) = registered(home)
    with pytest.raises(UserError, match="did you mean 'tiny'"):
        follow.supervise(home, "tinny", host="127.0.0.1", port=free_port(), told=print)
    promoted(home, 1, one)
    (home.root / "package-1").unlink()
    with pytest.raises(UserError, match=r"does not exist.*restore it from a backup"):
        follow.supervise(home, "tiny", host="127.0.0.1", port=free_port(), told=print)
