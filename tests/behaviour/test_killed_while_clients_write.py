"""Services and databases that are killed while clients write lose nothing acknowledged."""

import contextlib
import random
import threading
import time

import httpx
import numpy as np
import psutil
import pytest

from serving.bento import build
from serving.process import start, stop
from tests import served
from tests.packaged import MAX_BATCH, packed
from tests.postgres import serving
from tests.serving.conftest import free_port

CLIENTS, OWN = 4, 6


class Writers:
    """Clients that write and delete records of their own; each knows what was acknowledged.

    ``known`` is the text of each record, None where it was deleted; what was asked and never
    answered is ``unsure``: it may be there, and may not.
    """

    def __init__(self, port, known):
        self.port, self.known, self.unsure = port, dict(known), {}
        self._end = threading.Event()
        self._clients = [threading.Thread(target=self._write, args=(c,)) for c in range(CLIENTS)]

    def __enter__(self):
        for client in self._clients:
            client.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        for client in self._clients:
            client.join(90)
            assert not client.is_alive()

    def _write(self, number):
        draw, step = random.Random(number), 0
        while not self._end.is_set():
            name, text, step = f"w{number}-{draw.randrange(OWN)}", f"ring {number} {step}", step + 1
            gone = draw.random() < 0.2 and self.known.get(name)
            self.unsure.setdefault(name, []).append(None if gone else text)
            try:
                address = f"http://127.0.0.1:{self.port}/v1/records/{name}"
                body = None if gone else {"record": {"text": text}}
                verb = "DELETE" if gone else "PUT"
                response = httpx.request(verb, address, json=body, trust_env=False, timeout=60)
            except httpx.HTTPError:
                time.sleep(0.05)  # nobody is there
                continue
            if response.is_success or (gone and response.status_code == 404):
                self.known[name] = None if gone else text
                self.unsure.pop(name)
            else:
                assert response.status_code == 503, response.text


def check(port, known, unsure):
    """What each record is: as it was acknowledged, and found by its text as the oracle says."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client:
        found = {}
        for name in sorted({*known, *unsure}):
            got = client.get(f"/v1/records/{name}")
            assert got.status_code in (200, 404), got.text
            shown = client.get(f"/v1/records/{name}/media/text").text if got.is_success else None
            assert shown in {known.get(name), *unsure.get(name, ())}, name
            found[name] = shown
        texts = {name: text for name, text in found.items() if text is not None}
        vectors = embedded(client, texts)
        for name in [*texts][:5]:
            query = {"query": {"text": texts[name]}, "k": 100, "target": "text"}
            query["filter"] = {"field": "id", "in": [*texts]}
            hits = client.post("/v1/search", json=query).json()["hits"]
            assert {hit["id"] for hit in hits} == set(texts)
            for hit in hits:
                oracle = float(vectors[hit["id"]] @ vectors[name])
                assert hit["score"] == pytest.approx(oracle, abs=1e-4)
        return found


def embedded(client, texts):
    """The vector of each record, by an answer to its text alone."""
    names, vectors = [*texts], {}
    for at in range(0, len(names), MAX_BATCH):
        part = names[at : at + MAX_BATCH]
        asked = {"records": [{"text": texts[name]} for name in part]}
        answer = client.post("/v1/embed", json=asked).json()
        vectors |= {n: np.array(e["text"]) for n, e in zip(part, answer["embeddings"], strict=True)}
    return vectors


def killed(moments, home):
    """Kill the service so many seconds after clients began to write, and check the next one."""
    port, known, unsure = free_port(), {}, {}
    for moment in [*moments, None]:
        with served.server(packed().package, port, CONCORD_HOME=str(home)) as process:
            known = check(port, known, unsure)
            if moment is not None:
                with Writers(port, known) as writers:
                    time.sleep(moment)
                    process.kill()
                    process.wait(30)
                known, unsure = writers.known, writers.unsure
    return known


def test_a_service_killed_while_clients_write_has_all_that_it_acknowledged(tmp_path):
    assert killed([0.5], tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_service_killed_at_fifty_moments_has_all_that_it_acknowledged(tmp_path):
    draw = random.Random(1)
    assert killed([draw.uniform(0, 1) for _ in range(50)], tmp_path)


@pytest.mark.slow
def test_a_database_killed_at_ten_moments_has_all_that_was_acknowledged():
    """One process of PostgreSQL that is killed ends them all; the log of writes is replayed."""
    draw = random.Random(2)
    with serving() as postgres:
        options = {"CONCORD_DATABASE_URL": postgres.url()}
        port, known = free_port(), {}
        with served.server(packed().package, port, **options):
            for _ in range(10):
                with Writers(port, known) as writers:
                    time.sleep(draw.uniform(0.2, 1))
                    backend(postgres.port).kill()
                    time.sleep(1)
                    again(port)
                known = check(port, writers.known, writers.unsure)
        with served.server(packed().package, port, **options):
            assert check(port, known, {}) == known


def backend(port):
    """A process of the PostgreSQL server at a port that serves a connection."""
    for process in psutil.process_iter(["cmdline"]):
        if "postgres" in " ".join(process.info["cmdline"] or ()) and str(port) in process.cmdline():
            backends = [c for c in process.children() if "concord" in " ".join(c.cmdline())]
            return random.choice(backends)
    raise AssertionError("no server")


def again(port):
    """Wait until records can be written once more."""
    end, body = time.monotonic() + 60, {"record": {"text": "ring"}}
    while time.monotonic() < end:
        url = f"http://127.0.0.1:{port}/v1/records/again"
        if httpx.put(url, json=body, trust_env=False, timeout=60).is_success:
            return
        time.sleep(0.2)
    raise AssertionError("nothing can be written any more")


@pytest.mark.slow
@pytest.mark.parametrize("whom", ["worker", "supervisor"])
def test_a_bento_whose_processes_are_killed_comes_back(whom, tmp_path, monkeypatch):
    bento = build(packed().package, tmp_path / ".concord" / "out")
    monkeypatch.setenv("CONCORD_HOME", str(tmp_path / "home"))
    port, known, unsure = free_port(), {}, {}
    options = {"host": "127.0.0.1", "port": port, "version": 1, "log": tmp_path / "log"}
    endpoint = start(bento, **options)
    try:
        for moment in (0.3, 0.9):
            with Writers(port, known) as writers:
                time.sleep(moment)
                root = psutil.Process(endpoint.process.pid)
                if whom == "worker":
                    max(root.children(recursive=True), key=lambda p: p.memory_info().rss).kill()
                else:
                    root.kill()
            if whom == "supervisor":
                gone(port)
                stop(endpoint)
                endpoint = start(bento, **options)
            again(port)
            known, unsure = writers.known, writers.unsure
            known = check(port, known, unsure)
    finally:
        stop(endpoint)
    assert known


def gone(port):
    """Wait until nobody holds a port."""
    end = time.monotonic() + 30
    with contextlib.suppress(httpx.ConnectError):
        while time.monotonic() < end:
            httpx.get(f"http://127.0.0.1:{port}/livez", trust_env=False)
            time.sleep(0.1)
        raise AssertionError("the port is held")
