"""Starts servers, watches them and ends them: none outlives `concord up`, even if that is killed.

Every server leads a session of its own, so that a terminal's Ctrl-C reaches `concord up` alone, and
all that it starts ends with it. On Linux the system ends it when `concord up` is killed.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from components.config.home import Home
from flows.engines import die_with_parent
from flows.up.services import Server

AGAIN_SECONDS = 5.0
"""A server that ended by itself is started again after this time."""
STOP_SECONDS = 20.0
"""For all servers together; what is left then is killed."""


class State(Enum):
    """What a server is doing."""

    WAITING = "waits"
    STARTING = "starts"
    READY = "ready"
    ENDED = "ended"


@dataclass
class Running:
    """One server and its process."""

    server: Server
    log: Path
    state: State = State.WAITING
    process: subprocess.Popen[bytes] | None = None
    again: float = 0.0
    said: str = ""

    def start(self) -> None:
        """Start the process."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.server.command,
                env={**os.environ, **self.server.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self.server.user,
                preexec_fn=die_with_parent,  # noqa: PLW1509
            )
        self.state, self.said = State.STARTING, ""

    def look(self, now: float) -> None:
        """Note whether it ended or became ready."""
        assert self.process is not None
        if (code := self.process.poll()) is not None:
            self._sweep()
            self.process, self.again = None, now + AGAIN_SECONDS
            self.state = State.ENDED
            self.said = f"ended by itself (exit code {code}), starts again; log: {self.log}"
        elif self.state is State.STARTING and self.server.answers():
            self.state = State.READY

    def ask(self) -> None:
        """Ask the process to end."""
        if self.process is not None:
            self.process.terminate()

    def end(self, until: float) -> None:
        """Wait for the process, and kill what is left of its session."""
        if self.process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(max(until - time.monotonic(), 0.1))
        self._sweep()
        self.process.wait()
        self.process, self.state = None, State.ENDED

    def _sweep(self) -> None:
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)


@dataclass
class Fleet:
    """All servers.

    Attributes:
        running: in the order of their start.
        changed: called when the state of one changes.
    """

    running: list[Running]
    changed: Callable[[Running], None]
    _seen: dict[str, tuple[State, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, home: Home, servers: list[Server], changed: Callable[[Running], None]) -> "Fleet":
        """Servers whose logs are in the state folder."""
        logs = home.engines
        return cls([Running(s, logs / f"up-{s.name}.log") for s in servers], changed)

    @property
    def ready(self) -> bool:
        """Whether every server answers."""
        return all(r.state is State.READY for r in self.running)

    def step(self) -> None:
        """Start what can start, and look at what runs."""
        now = time.monotonic()
        ready = {r.server.name for r in self.running if r.state is State.READY}
        for one in self.running:
            if one.process is not None:
                one.look(now)
            elif now >= one.again:
                self._begin(one, ready)
            if self._seen.get(one.server.name) != (one.state, one.said):
                self._seen[one.server.name] = (one.state, one.said)
                self.changed(one)

    def _begin(self, one: Running, ready: set[str]) -> None:
        wanted, words = one.server.when
        missing = [name for name in one.server.after if name not in ready]
        if missing:
            one.state, one.said = State.WAITING, f"waits for {' and '.join(missing)}"
        elif not wanted():
            one.state, one.said = State.WAITING, words
        else:
            one.start()

    def stop(self) -> None:
        """End all servers: the last one first, so that none loses what it needs."""
        until = time.monotonic() + STOP_SECONDS
        for one in reversed(self.running):
            one.ask()
            one.end(until)
            self.changed(one)
