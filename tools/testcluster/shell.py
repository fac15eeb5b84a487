"""Run commands and report progress."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from components.core.errors import UserError


class MissingError(UserError):
    """This machine lacks something, so nothing was tried (exit code 2)."""

    exit_code = 2


def say(message: str) -> None:
    """Write one line of progress to the standard error: the standard output is for results."""
    sys.stderr.write(f"testcluster: {message}\n")
    sys.stderr.flush()


def run(
    argv: Sequence[str],
    *,
    stdin: str | None = None,
    env: dict[str, str] | None = None,
    timeout: float = 120,
) -> str:
    """Run a command and return its output.

    Raises:
        UserError: it failed; the message carries the command and the end of what it wrote.
    """
    done = subprocess.run(
        argv, input=stdin, capture_output=True, text=True, env=env, timeout=timeout, check=False
    )
    if done.returncode:
        end = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise UserError(f"{' '.join(argv)}\nexit code {done.returncode}, wanted 0:\n{end}")
    return done.stdout


def stream(
    argv: Sequence[str],
    show: Callable[[str], None],
    *,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
) -> None:
    """Run a long command and show each line that it writes.

    Raises:
        UserError: it failed; the message carries the command and the end of what it wrote.
    """
    last: list[str] = []
    with subprocess.Popen(
        argv, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as running:
        assert running.stdout is not None  # noqa: S101  it was asked for
        for line in running.stdout:
            last = [*last[-14:], line.rstrip()]
            show(line.rstrip())
    if running.returncode:
        raise UserError(
            f"{' '.join(argv)}\nexit code {running.returncode}, wanted 0:\n" + "\n".join(last)
        )


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file atomically: a kill leaves the old file, or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.new")
    aside.touch(mode=mode)
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)


def wait_for(what: str, ready: Callable[[], bool], timeout: float, look_at: str) -> None:
    """Poll until something is ready.

    Raises:
        UserError: it is not ready in time; the message names the log to read.
    """
    give_up = time.monotonic() + timeout
    while not ready():
        if time.monotonic() > give_up:
            raise UserError(f"{what}: not ready after {timeout:.0f} s; look at {look_at}")
        time.sleep(0.2)
