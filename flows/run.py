"""One run from the command line: an answer if nothing changed, else engines and the flow."""

import importlib
import os
import time
import warnings
from dataclasses import replace
from pathlib import Path

from components.config import run as configuration
from components.config.home import find, writable
from components.validation.accept import opened
from flows import engines
from flows.check import check
from flows.display import console
from flows.runs import records as runs
from flows.runs.result import RunResult, from_record
from flows.runs.session import unchanged
from flows.steps.step import Job

_HEAVY = ("prefect", "torch", "great_expectations", "mlflow")
"""Libraries that take seconds to import, in the order in which a run needs them."""


def warm() -> None:
    """Import the heavy libraries while engines start, without their warnings about themselves."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in _HEAVY:
            importlib.import_module(name)


def run(path: Path, *, data: str | None = None, wait: bool = True) -> RunResult:
    """Bring the model of a configuration up to date.

    Args:
        path: the run's YAML.
        data: path of the data set, if not the configuration's.
        wait: wait for another run on the same state folder.

    Raises:
        UserError: a mistake in the configuration or the data, or the state folder is in use and
            ``wait`` is false.
    """
    engines.quiet()
    config, home = configuration.load(path, data), writable(find())
    with runs.exclusive(home, wait=wait, say=console.print):
        job = Job.opened(config, base=path.resolve().parent, home=home)
        if record := unchanged(job):
            return from_record(record, nothing_changed=True)
        opened(config.data.uri, job.manifest)  # refused before engines start, which takes long
        with engines.started(home) as running:
            return retrain_with(running, path, job, data=data)


def retrain_with(running: engines.Engines, path: Path, job: Job, *, data: str | None) -> RunResult:
    """Run the flow on engines that are starting or up.

    Args:
        running: the engines.
        path: the run's YAML.
        job: the configuration, already read.
        data: path of the data set, if not the configuration's.
    """
    # Errors reach the user once, from the command; Prefect's server keeps its own record of them.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    start = time.monotonic()
    check(job.config, path, job.manifest)
    warm()
    warmed = time.monotonic() - start
    running.wait_for_prefect()
    from flows import retrain as flow

    try:
        run_id = flow.retrain(str(path), data=data, home=str(running.home.root))
    finally:
        flow.flush_logs()
    store = runs.Runs(running.home)
    record = store.write(
        replace(store.get(run_id), engine_seconds=round(warmed + running.seconds, 3))
    )
    return from_record(record)
