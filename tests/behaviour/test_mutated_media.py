"""Damaged and malicious media over HTTP: refused in words or answered, in little memory."""

import base64
from collections import Counter
from pathlib import Path

import httpx
import psutil
import pytest

from tests import served
from tests.mutated import files
from tests.packaged import packed
from tests.serving.conftest import free_port

MB = 1 << 20


@pytest.fixture(scope="module")
def at():
    port = free_port()
    with (
        served.server(packed().package, port) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client,
    ):
        yield client, process.pid


def peak(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))


def story(at, n, *, bombs):
    """Ask with each of so many files; statuses, and memory before, after and at most."""
    client, pid = at
    client.post("/v1/classify", json={"records": [{"text": "ring"}]})
    seen, before = Counter(), psutil.Process(pid).memory_info().rss
    for number, (name, raw) in enumerate(files(n, bombs=bombs)):
        record = {"image": base64.b64encode(raw).decode()}
        named = {"id": f"m{number % 50}", "record": record}
        for path, one in (("/v1/classify", record), ("/v1/records", named)):
            response = client.post(path, json={"records": [one]})
            seen[response.status_code] += 1
            assert response.status_code in (200, 413, 422), (name, response.text)
            if response.status_code != 200:
                assert set(response.json()) == {"message", "problems"}, name
                assert "object at 0x" not in response.text, name
                assert "/" not in response.json()["problems"][0]["got"], name
    return seen, before, psutil.Process(pid).memory_info().rss, peak(pid)


def test_a_hundred_damaged_files_are_answered_or_refused(at):
    seen, before, _, most = story(at, 100, bombs=False)
    assert seen[422] > seen[200] > 0
    assert most - before < 100 * MB


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_thousand_damaged_files_and_bombs_leave_memory_at_its_level(at):
    seen, before, after, most = story(at, 2000, bombs=True)
    assert seen[413] >= 8
    assert after - before < 50 * MB
    assert most - before < 200 * MB
