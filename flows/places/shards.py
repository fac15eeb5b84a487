"""A task over a data set as the indexes of one Job: cut, done, and every part accounted for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from components.config.trainer import KubernetesTrainer
from components.core.files import read_json, write_json
from components.core.progress import Cleanup, Progress, Say
from components.exchange.errors import Incomplete
from components.exchange.exchange import JOBS, OBJECTS, SPEC, Exchange
from components.shards.accounting import accounted, folders, results
from components.shards.plan import Plan
from components.shards.spec import ShardSpec
from components.shards.work import Chunk
from flows.places import jobs


@dataclass(frozen=True, kw_only=True)
class Parts:
    """All parts, finished and accounted for."""

    rows: int
    folders: Iterator[Path]
    """Files of each chunk in order, verified; requesting the next folder removes the one before."""
    clean: Cleanup
    """To be called once the joined result is stored."""


def run(
    plan: Plan,
    *,
    trainer: KubernetesTrainer,
    run_id: str,
    scratch: Path,
    progress: Progress,
    say: Say,
) -> Parts:
    """Have a Job do all parts, or find the Job or the parts of an earlier run.

    Args:
        plan: what to do.
        trainer: where, and into how many parts.
        run_id: id of the run.
        scratch: a local folder of the run's state.
        progress: called as rows are copied and done.
        say: receives messages for the user, and the pods' own lines.

    Raises:
        UserError: no whole result; the message gives the reason, or the parts that are missing.
    """
    work = _InParts(
        plan=plan, scratch=scratch, progress=progress, say=say, parts=plan.count, rows=plan.rows
    )
    # Pods that work alone, whatever the block says about training together.
    alone = trainer.model_copy(update={"nodes": 1, "min_nodes": None})
    done = jobs.run(work, config=alone, run_id=run_id, state=scratch, say=say)

    def clean() -> None:
        done.clean()
        work.sealed(done.job).unlink(missing_ok=True)

    chunks = folders(done.exchange, done.job, done.result, scratch, plan.code())
    return Parts(rows=work.rows, folders=chunks, clean=clean)


@dataclass(frozen=True, kw_only=True)
class _InParts:
    """A task in parts as the assignment of a Job; its result is all chunks with their index."""

    plan: Plan
    scratch: Path
    progress: Progress
    say: Say
    parts: int
    rows: int
    _rows_done: dict[str, int] = field(default_factory=dict)

    @property
    def task(self) -> str:
        return self.plan.task

    def digest(self) -> str:
        return self.plan.digest()

    def prepare(self, exchange: Exchange, job: str) -> str:
        """Cut the data; an earlier cut in this state folder is kept if it is complete."""
        spec = self._spec(exchange, job)
        if spec is not None:
            needed = {part.records for part in spec.parts} | ({spec.package} - {None})
            if {f"{digest}.json" for digest in needed} <= set(exchange.names(OBJECTS)):
                return spec.seal()
        spec = self.plan.cut(exchange, self.scratch, self.progress)
        write_json(self.sealed(job), {"seal": spec.seal()})
        exchange.write_json(f"{JOBS}/{job}/{SPEC}", spec.model_dump(mode="json"))
        return spec.seal()

    def sealed(self, job: str) -> Path:
        """Where the seal of what was cut is remembered: the exchange may be written by others."""
        return self.scratch / f"{job}.seal.json"

    def result(
        self, exchange: Exchange, job: str, succeeded: Mapping[str, int]
    ) -> list[tuple[int, Chunk]]:
        spec = self._spec(exchange, job)
        if spec is None:
            raise Incomplete(f"job {job}: its data was not cut yet; submit the run again")
        pods = {index: uid for uid, index in succeeded.items()}
        return accounted(spec, results(exchange, job, pods, self.scratch))

    def take(self, line: str) -> None:
        """The progress of all pods together moves one bar; all other lines are shown."""
        found = jobs.figures(line)
        try:
            self._rows_done[str(found["what"])] = int(found["step"])
        except (ValueError, KeyError, TypeError):
            self.say(line)
        else:
            self.progress(self.task, sum(self._rows_done.values()), self.rows)

    def _spec(self, exchange: Exchange, job: str) -> ShardSpec | None:
        """The spec of a job that was cut here before, if it is of this work."""
        try:
            seal = read_json(self.sealed(job))["seal"]
            spec = ShardSpec.model_validate_json(exchange.read(f"{JOBS}/{job}/{SPEC}"))
        except FileNotFoundError:
            return None
        return spec if (spec.digest(), spec.seal()) == (self.plan.digest(), seal) else None
