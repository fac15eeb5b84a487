"""The service over a loaded package, in this process: what an HTTP client of a test asks."""

import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager

import httpx
from fastapi.testclient import TestClient

from serving.http.app import build
from serving.http.front import Front
from serving.live.live import Live
from serving.live.shared import Shared
from serving.live.unit import Unit


def front(answers, guard=None):
    """The whole ASGI application of one unit."""
    shared = Shared.of(answers.limits.serving)
    return Front(Live(Unit(answers, shared, build)), shared, guard)


def client(answers, **options):
    """An HTTP client of it, a context manager."""
    return TestClient(front(answers), **options)


SERVER = """
import os, sys
from pathlib import Path
import uvicorn
from serving.worker import Serving
serving = Serving(own=Path(sys.argv[1]))
serving.begin()
uvicorn.run(serving.front, port=int(sys.argv[2]), log_level="warning", server_header=False)
"""


@contextmanager
def server(package, port, **environment):
    """The service in a process of its own; yields the process once it is ready."""
    with tempfile.TemporaryDirectory() as home:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(package), str(port)],
            env={**os.environ, "CONCORD_HOME": home, "CONCORD_HOST": "127.0.0.1", **environment},
        )
        try:
            end = time.monotonic() + 60
            while True:
                assert process.poll() is None, "the server ended"
                assert time.monotonic() < end, "the server was not ready in time"
                try:
                    if httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).is_success:
                        break
                except httpx.HTTPError:
                    time.sleep(0.05)
            yield process
        finally:
            process.terminate()
            process.wait(30)
