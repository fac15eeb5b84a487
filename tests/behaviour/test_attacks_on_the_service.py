"""Clients that mean harm, or are merely broken: others are answered meanwhile."""

import json
import socket
import threading
import time

import httpx
import psutil
import pytest

from tests import served
from tests.packaged import packed
from tests.serving.conftest import free_port

MB = 1 << 20
HEAD = (
    b"POST /v1/classify HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n"
)


@pytest.fixture(scope="module")
def at():
    """Address and process of a live service."""
    port = free_port()
    with served.server(packed().package, port) as process:
        yield ("127.0.0.1", port), psutil.Process(process.pid)


@pytest.fixture
def asks(at):
    (host, port), _ = at
    with httpx.Client(base_url=f"http://{host}:{port}", trust_env=False, timeout=60) as client:
        yield client


def post(asks, content):
    return asks.post("/v1/classify", content=content, headers={"content-type": "application/json"})


def slowest_health_during(asks, work):
    """Seconds of the slowest answer of /readyz while ``work`` runs in another thread."""
    thread, slowest = threading.Thread(target=work), 0.0
    thread.start()
    while thread.is_alive():
        begun = time.perf_counter()
        assert asks.get("/readyz").status_code == 200
        slowest = max(slowest, time.perf_counter() - begun)
        time.sleep(0.01)
    thread.join()
    return slowest


@pytest.mark.parametrize(
    "attack",
    [
        b"{" + b",".join(b'"k%d":1' % n for n in range(2_800_000)) + b"}",
        b'{"records":[' + b"{}," * 10_000_000 + b"{}]}",
        b'{"records":[{"facts":{"tags":[' + b'"",' * 10_000_000 + b'""]}}]}',
        b'{"records":' + b"[" * 5_000_000 + b"]" * 5_000_000 + b"}",
        b'{"records":[{"text":"' + b"\\u0041" * 5_000_000 + b'"}]}',
        b'"' * (30 * MB),
        b"\\" * (30 * MB),
    ],
    ids=["unknown keys", "records", "members", "depth", "escapes", "quotes", "backslashes"],
)
def test_a_body_of_30_mb_is_refused_soon_without_holding_up_health(at, asks, attack):
    answers = []
    begun = time.perf_counter()
    slowest = slowest_health_during(asks, lambda: answers.append(post(asks, attack)))
    took = time.perf_counter() - begun
    assert answers[0].status_code in (400, 413, 422)
    assert len(answers[0].content) < 10_000
    assert took < 10
    assert slowest < 2, "56 s before bodies had limits of shape"
    assert at[1].memory_info().rss < 2000 * MB


def test_bodies_at_one_byte_a_second_lock_nobody_out(at, asks):
    address, _ = at
    slow = [socket.create_connection(address) for _ in range(64)]
    for one in slow:
        one.sendall(HEAD % 1000 + b"{")
    try:
        for _ in range(3):
            for one in slow:
                one.sendall(b" ")
            assert post(asks, json.dumps({"records": [{"text": "ring"}]})).status_code == 200
    finally:
        for one in slow:
            one.close()


def test_300_connections_that_never_finish_their_headers_lock_nobody_out(at, asks):
    address, _ = at
    slow = [socket.create_connection(address) for _ in range(300)]
    for one in slow:
        one.sendall(b"POST /v1/classify HTTP/1.1\r\nHost: a\r\nX-Slow: ")
    try:
        assert post(asks, json.dumps({"records": [{"text": "ring"}]})).status_code == 200
    finally:
        for one in slow:
            one.close()


def test_memory_of_bodies_is_given_back_when_their_clients_go(at, asks):
    address, process = at
    before = process.memory_info().rss
    for _ in range(3):
        many = [socket.create_connection(address) for _ in range(6)]
        for one in many:
            one.sendall(HEAD % (30 * MB))
            one.sendall(b" " * (20 * MB))
        for one in many:
            one.close()
    assert post(asks, json.dumps({"records": [{"text": "ring"}]})).status_code == 200
    end = time.monotonic() + 10
    while process.memory_info().rss - before > 64 * MB and time.monotonic() < end:
        time.sleep(0.05)
    assert process.memory_info().rss - before < 64 * MB


def test_requests_whose_clients_go_leave_no_work_behind(at, asks):
    address, process = at
    body = json.dumps({"records": [{"text": "ring " * 200}] * 5}).encode()
    for _ in range(100):
        with socket.create_connection(address) as one:
            one.sendall(HEAD % len(body) + body)
    assert post(asks, json.dumps({"records": [{"text": "ring"}]})).status_code in (200, 429)
    end = time.monotonic() + 20
    while process.cpu_percent(0.2) > 30 and time.monotonic() < end:
        pass
    assert time.monotonic() < end, "it computes for clients that have gone"


def test_metrics_do_not_grow_with_the_paths_that_are_asked(asks):
    asks.get("/v1/nothing")
    before = len(asks.get("/metrics").content)
    for number in range(300):
        asks.get(f"/v1/nothing/{number}")
    assert len(asks.get("/metrics").content) < before + 500


def test_a_deadline_of_the_client_is_honoured(asks):
    body = json.dumps({"records": [{"text": "ring"}] * 5})
    headers = {"content-type": "application/json", "x-concord-deadline-ms": "0"}
    response = asks.post("/v1/classify", content=body, headers=headers)
    assert response.status_code == 504
    assert "deadline" in response.json()["message"]
