"""A run in progress: the lock, the record, and the result of every step."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from components.config import run as configuration
from components.config.home import find, writable
from components.core.process import started as began
from components.core.refs import Ref, digest_json
from components.core.transient import is_transient
from components.registry.ledger import Ledger
from flows.display import Display, console
from flows.runs import records as runs
from flows.runs.revision import data_revision
from flows.steps import table
from flows.steps.step import DATA, Job, Step, StepInputs, execute, finished
from flows.steps.store import StepResult


def settlement(config: configuration.RunConfig, results: list[StepResult], ledger: Ledger) -> str:
    """Digest of all that a run's verdict depends on.

    That is the measured package, the gate's terms, and the last decision in the ledger.
    """
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
    """What the tasks of one flow run share.

    It is not a dataclass, because Prefect would walk into its fields.
    """

    def __init__(self, job: Job, record: runs.RunRecord) -> None:
        self.job = job
        self.table = table.steps_for(job.config, job.manifest, job.base)
        self.record = record
        self.results: list[StepResult] = []
        self.ledger = Ledger(job.home.ledger)
        self._runs = runs.Runs(job.home)

    @classmethod
    @contextmanager
    def opened(
        cls, path: Path, *, data: str | None, home: str | None, flow_run: str | None
    ) -> Iterator["Session"]:
        """Hold the home, write the run's record, and close it with the run's status.

        Raises:
            UserError: a mistake in the configuration or its data set.
        """
        state = writable(find(Path(home) if home else None))
        config = configuration.load(path, data)
        with runs.exclusive(state, wait=True, say=console.print), Display() as display:
            job = Job.opened(config, base=path.resolve().parent, home=state)
            record = runs.RunRecord(
                run_id=runs.new_id(),
                name=config.name,
                started=runs.now(),
                pid=os.getpid(),
                host=socket.gethostname(),
                began=began(os.getpid()),
                config=job.config.model_dump(mode="json"),
                config_path=str(path.resolve()),
                data_digest=job.data.digest,
                data_revision=data_revision(Path(config.data.uri)),
                flow_run=flow_run,
            )
            job = replace(
                job,
                progress=display.show,
                run=record.run_id,
                say=lambda words: console.print(f"  {words}", markup=False, style="dim"),
            )
            session = cls(job, record)
            session.update()
            for choice in job.choices:
                job.say(choice)
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
                settled=settlement(config, session.results, session.ledger),
            )

    def execute(
        self,
        step: Step,
        inputs: StepInputs,
        log: Callable[[str], None],
        attempt: tuple[int, int] = (1, 1),
    ) -> Ref:
        """Run or skip one step and record it.

        Args:
            step: a row of the table.
            inputs: what it reads.
            log: receives its messages, which are also shown.
            attempt: which try this is, and how many there are.
        """
        console.print(f"[bold]{step.name}[/bold]")
        this, tries = attempt
        start = time.monotonic()

        def say(words: str) -> None:
            self.job.say(words)
            log(words)

        try:
            result = execute(step, inputs, replace(self.job, say=say))
        except Exception as error:
            if this < tries and is_transient(error):
                say(f"try {this} of {tries} failed ({_short(error)}); trying again")
            raise
        if this > 1:
            result = replace(result, reason=f"{result.reason}; try {this} of {tries}")
        word = "skipped" if result.status == "skipped" else f"{time.monotonic() - start:.1f} s"
        console.print(f"  {word}: {result.reason}", style="dim")
        self.results.append(result)
        self.record = self._runs.write(runs.with_step(self.record, result))
        return result.ref

    def upto(self, box: str) -> tuple[Step, ...]:
        """Rows of the table that come next, up to the last one of a box."""
        done = {r.name for r in self.results}
        last = max(at for at, step in enumerate(self.table) if step.box == box)
        return tuple(step for step in self.table[: last + 1] if step.name not in done)

    def inputs(self, step: Step) -> dict[str, Ref]:
        """The inputs of a step, from this run's data and results."""
        return step.given({DATA: self.job.data} | {r.name: r.ref for r in self.results})

    def output(self, box: str) -> Ref:
        """What the last finished step of a box wrote."""
        boxes = {step.name: step.box for step in self.table}
        return next(r.ref for r in reversed(self.results) if boxes[r.name] == box)

    def update(self, **changes: object) -> None:
        """Write the record with some fields changed."""
        self.record = self._runs.write(replace(self.record, **changes))  # type: ignore[arg-type]


def _short(error: Exception) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:200]}"


def unchanged(job: Job) -> runs.RunRecord | None:
    """The earlier run whose verdict still stands; None if there is work to do.

    Step keys and the ledger are enough to find it: no engine starts, and no torch is imported.
    """
    rows = table.steps_for(job.config, job.manifest, job.base)
    results = list(finished(rows, job))
    if len(results) < len(rows):
        return None
    digest = settlement(job.config, results, Ledger(job.home.ledger))
    return runs.Runs(job.home).settled(job.config.name, digest)
