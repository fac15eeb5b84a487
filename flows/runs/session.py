"""One run while it goes on: the lock, the record, and every step's result."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from components.config import run as configuration
from components.config.home import Home, find, writable
from components.core.refs import Ref, digest_json
from components.data.digest import data_digest
from components.data.manifest import load_manifest
from components.registry.ledger import Ledger
from flows.display import Display, console
from flows.runs import records as runs
from flows.runs.revision import data_revision
from flows.steps.steps import Inputs, Job, Step, execute
from flows.steps.store import StepResult


def data_ref(config: configuration.RunConfig, home: Home) -> Ref:
    """The data set of a configuration and the digest of all its files.

    Raises:
        UserError: there is no data set, or its manifest is wrong.
    """
    manifest = load_manifest(config.data.uri, config.data.manifest)
    labels = config.data.labels.file if config.data.labels else None
    return Ref(
        uri=config.data.uri,
        digest=data_digest(config.data.uri, manifest, cache=home.cache, labels=labels),
    )


def outcome(config: configuration.RunConfig, results: list[StepResult], ledger: Ledger) -> str:
    """What determines the outcome of a run: the measured package, the gate's terms, and where the registry stands."""
    by_name = {r.name: r.ref.digest for r in results}
    decisions = [
        e.seq
        for e in ledger.entries(model=config.name)
        if e.kind in {"promotion", "refusal", "rollback"}
    ]
    return digest_json(
        [by_name["package"], by_name["evaluate"], config.gate.model_dump(), decisions[-1:]]
    )


class Session:
    """What the tasks of one flow run share. Not a dataclass: Prefect would walk into its fields."""

    def __init__(self, job: Job, data: Ref, record: runs.RunRecord) -> None:
        self.job = job
        self.data = data
        self.record = record
        self.results: list[StepResult] = []
        self.ledger = Ledger(job.home.ledger)
        self._runs = runs.Runs(job.home)

    @classmethod
    @contextmanager
    def opened(
        cls, path: Path, *, data: str | None, home: str | None, flow_run: str | None
    ) -> Iterator["Session"]:
        """Hold the home, write the run's record, and close it as what it became."""
        state = writable(find(Path(home) if home else None))
        config = configuration.load(path, data)
        with runs.exclusive(state, wait=True, say=console.print), Display() as display:
            source = data_ref(config, state)
            record = runs.RunRecord(
                run_id=runs.new_id(),
                name=config.name,
                started=runs.now(),
                pid=os.getpid(),
                host=socket.gethostname(),
                config=config.model_dump(mode="json"),
                config_path=str(path.resolve()),
                data_digest=source.digest,
                data_revision=data_revision(Path(config.data.uri)),
                flow_run=flow_run,
            )
            job = Job(
                config=config,
                base=path.resolve().parent,
                home=state,
                progress=display.show,
                run=record.run_id,
                say=lambda words: console.print(f"  {words}", markup=False, style="dim"),
            )
            session = cls(job, source, record)
            session.update()
            try:
                yield session
            except BaseException as error:
                status = "cancelled" if isinstance(error, KeyboardInterrupt) else "failed"
                session.update(
                    status=status, finished=runs.now(), error=str(error) or type(error).__name__
                )
                raise
            session.update(
                status="finished",
                finished=runs.now(),
                settled=outcome(config, session.results, session.ledger),
            )

    def execute(self, step: Step, inputs: Inputs, log: Callable[[str], None]) -> Ref:
        """Run or skip one step and note it; what it says is shown and goes to ``log``."""
        console.print(f"[bold]{step.name}[/bold]")
        start = time.monotonic()

        def say(words: str) -> None:
            self.job.say(words)
            log(words)

        result = execute(step, replace(self.job, say=say), inputs)
        word = "skipped" if result.status == "skipped" else f"{time.monotonic() - start:.1f} s"
        console.print(f"  {word}: {result.reason}", style="dim")
        self.results.append(result)
        self.record = self._runs.write(runs.with_step(self.record, result))
        return result.ref

    def output(self, step: str) -> Path:
        """The folder that a finished step of this run wrote."""
        return next(r.ref.path for r in self.results if r.name == step)

    def inputs(self, step: Step) -> Inputs:
        """The inputs of a step, from this run's data and results."""
        known = {"data": self.data} | {r.name: r.ref for r in self.results}
        return {name: known[name] for name in step.inputs}

    def update(self, **changes: object) -> None:
        """Write the record with some fields changed."""
        self.record = self._runs.write(replace(self.record, **changes))  # type: ignore[arg-type]


def unchanged(path: Path, config: configuration.RunConfig, home: Home) -> runs.RunRecord | None:
    """The earlier run whose outcome still stands, found from step keys and ledger alone; None if there is work to do."""
    from flows.steps.steps import STEPS, finished

    job = Job(config=config, base=path.resolve().parent, home=home)
    results = list(finished(job, data_ref(config, home)))
    if len(results) < len(STEPS):
        return None
    return runs.Runs(home).settled(config.name, outcome(config, results, Ledger(home.ledger)))
