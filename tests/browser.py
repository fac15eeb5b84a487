"""A headless Chromium of this machine, driven with Playwright, and a service for it to open."""

import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
PROGRAM = os.environ.get("CONCORD_CHROMIUM") or next(filter(None, map(shutil.which, _PROGRAMS)), "")
"""Path of the browser; empty where there is none."""

_SWITCHES = (
    "--no-sandbox",  # CI may be root
    "--use-fake-device-for-media-stream",  # a microphone that beeps
    "--use-fake-ui-for-media-stream",
)


@contextmanager
def browser(*switches: str) -> Iterator:
    """A browser; the test is skipped, and says so, where there is none.

    Playwright's event loop runs in this thread until the end: no test may begin another meanwhile.
    """
    driver = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if not PROGRAM:
        pytest.skip("there is no Chromium: `apt-get install chromium`, or set CONCORD_CHROMIUM")
    with driver.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=PROGRAM, args=[*_SWITCHES, *switches])
        yield made
        made.close()


@contextmanager
def opened(made, url: str, **options) -> Iterator:
    """The page of a service in a window of its own.

    It must log no error, raise none, and ask no other host.
    """
    context = made.new_context(**options)
    context.set_default_timeout(10_000)
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(f"raised: {error}"))
    page.on("console", lambda said: _noted(said, faults))
    page.on("request", lambda asked: _own(asked.url, url, faults))
    page.goto(url)
    page.wait_for_selector("h1, dialog[open]")
    yield page
    context.close()
    assert not faults, faults


def _noted(said, faults: list[str]) -> None:
    # A refusal is told in words on the page; the browser logs its status as well.
    if said.type in ("error", "warning") and not re.search("status of|ERR_FAILED", said.text):
        faults.append(f"logged: {said.text}")


def _own(address: str, url: str, faults: list[str]) -> None:
    if not address.startswith((url, "blob:", "data:")):
        faults.append(f"asked: {address}")


@contextmanager
def serving(application) -> Iterator[str]:
    """The URL of an ASGI application that answers in a thread."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = uvicorn.Server(uvicorn.Config(application, log_level="error", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        server.should_exit = True
        thread.join()
