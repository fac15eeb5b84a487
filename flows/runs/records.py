"""Run records: the request, which steps ran or were skipped and why, and the outcome."""

import fcntl
import os
import secrets
import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from components.config.home import Home
from components.core.errors import UserError, unknown_name
from components.core.files import read_json, write_json
from components.core.process import is_alive
from flows.steps.store import StepResult

_LOCK, _HOLDER = "run.lock", "run.holder"
"""Files of a home: the lock, and the process that holds it. One run at a time changes a home."""


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One run; written to ``runs/<run_id>/run.json`` after every step."""

    run_id: str
    name: str
    started: str
    pid: int
    host: str = ""
    """Machine or pod of the process."""
    began: str = ""
    """When the process began, as `components.core.process.started` returns it."""
    config: dict[str, Any]
    config_path: str
    data_digest: str
    data_revision: str | None = None
    """Git revision and ``dvc.lock`` digest of the data, where the data set is under DVC."""
    finished: str | None = None
    status: str = "running"
    """``running``, ``finished``, ``failed`` or ``cancelled``.

    A running record whose process or pod has ended is read as ``interrupted``.
    """
    error: str | None = None
    flow_run: str | None = None
    verdict: str | None = None
    reasons: list[str] = field(default_factory=list)
    model_version: int | None = None
    settled: str | None = None
    """Digest of all that the verdict depends on; the same digest again means nothing changed."""
    engine_seconds: float = 0.0
    steps: list[dict[str, Any]] = field(default_factory=list)


def now() -> str:
    """The time in UTC, ISO 8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def new_id() -> str:
    """A run id that sorts by time."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


class Runs:
    """All run records under one home."""

    def __init__(self, home: Home) -> None:
        self.folder = home.runs
        self._home = home

    def write(self, record: RunRecord) -> RunRecord:
        """Write a record over its earlier form."""
        write_json(self.folder / record.run_id / "run.json", asdict(record))
        return record

    def all(self) -> list[RunRecord]:
        """Every run, newest first."""
        return [self._read(p) for p in sorted(self.folder.glob("*/run.json"), reverse=True)]

    def get(self, run_id: str) -> RunRecord:
        """One run by id, by an unambiguous prefix of it, or ``latest``.

        Raises:
            UserError: no run matches, or several do.
        """
        records = self.all()
        found = (
            records[:1]
            if run_id == "latest"
            else [r for r in records if r.run_id.startswith(run_id)]
        )
        if len(found) != 1:
            if not records:
                raise UserError("there are no runs yet; start one with `concord run CONFIG`")
            raise UserError(
                unknown_name("run", run_id, [r.run_id for r in records[:5]] + ["latest"])
            )
        return found[0]

    def settled(self, name: str, digest: str) -> RunRecord | None:
        """The newest finished run of a model whose verdict depends on the same digest."""
        return next(
            (
                r
                for r in self.all()
                if r.name == name and r.settled == digest and r.status == "finished"
            ),
            None,
        )

    def cancel(self, run_id: str) -> RunRecord:
        """Ask a running run to stop; its finished steps are kept.

        Raises:
            UserError: the run is not running.
        """
        record = self.get(run_id)
        if record.status != "running":
            raise UserError(
                f"run {record.run_id} is {record.status}, not running; `concord runs` shows all"
            )
        if not _is_here(record):
            raise UserError(
                f"run {record.run_id} is a process of {record.host}, not of this machine; "
                f"cancel it there, or with `prefect flow-run cancel {record.flow_run}`"
            )
        os.kill(record.pid, signal.SIGINT)
        return record

    def remove(self, record: RunRecord) -> None:
        """Delete a run's record."""
        shutil.rmtree(self.folder / record.run_id)

    def _read(self, path: Path) -> RunRecord:
        record = RunRecord(**read_json(path))  # type: ignore[arg-type]
        steps = [s | {"output": str(self._home.steps / s["name"] / s["key"])} for s in record.steps]
        record = replace(record, steps=steps)  # a home may have been moved since
        if record.status == "running" and not _is_alive(record, self._home):
            return replace(
                record,
                status="interrupted",
                error="its process has ended; run the same configuration again to resume it",
            )
        return record


@contextmanager
def exclusive(home: Home, *, wait: bool, say: Any = None) -> Iterator[None]:  # noqa: ANN401
    """Hold the one lock of a home while a run changes it.

    Args:
        home: the state folder.
        wait: wait for the holder, or fail at once.
        say: receives one message if the lock has to be waited for.

    Raises:
        UserError: another process holds it and ``wait`` is false.
    """
    holder = home.root / _HOLDER
    lock = FileLock(home.root / _LOCK, is_singleton=True, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        who = holder.read_text(encoding="utf-8").strip() if holder.is_file() else "another process"
        if not wait:
            raise UserError(
                f"{home.root} is in use by {who}; "
                "wait for it, cancel it with `concord runs cancel latest`, or drop --no-wait"
            ) from None
        if say:
            say(f"waiting for {who}, which holds {home.root}")
        lock.acquire()
    try:
        holder.write_text(
            f"{_process(os.getpid(), socket.gethostname())} since {now()}\n", encoding="utf-8"
        )
        yield
    finally:
        lock.release()


def with_step(record: RunRecord, result: StepResult) -> RunRecord:
    """The record with one more step."""
    step = {k: v for k, v in asdict(result).items() if k != "ref"} | {
        "output": result.ref.uri,
        "digest": result.ref.digest,
    }
    return replace(record, steps=[*record.steps, step])


def _process(pid: int, host: str) -> str:
    return f"process {pid} on {host}"


def _is_here(record: RunRecord) -> bool:
    """Whether a run's process belongs to this machine or pod; early records name no host."""
    return record.host in ("", socket.gethostname())


def _is_alive(record: RunRecord, home: Home) -> bool:
    """Whether a run's process is alive: by its number and start here, by the lock elsewhere."""
    if not _is_here(record):
        return _holds(record, home)
    return is_alive(record.pid, record.began)


def _holds(record: RunRecord, home: Home) -> bool:
    """Whether a process of another machine holds the home.

    It does if the holder file names it and the lock is taken. Its process id alone proves nothing,
    because a process here may have the same one. The lock works through the shared volume.
    """
    holder = home.root / _HOLDER
    if not holder.is_file() or not holder.read_text(encoding="utf-8").startswith(
        _process(record.pid, record.host) + " "
    ):
        return False
    try:
        descriptor = os.open(home.root / _LOCK, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        # Shared, so that several readers never see each other as holders.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
