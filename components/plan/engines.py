"""Which engine each stage should run on: rules with written thresholds, which readers can check."""

import math
from dataclasses import dataclass

from components.config.trainer import KubernetesTrainer
from components.parts import loading as parts
from components.plan.estimate import Estimate, Planner, StageEstimate
from components.plan.rates import StageRates
from components.plan.shown import bytes_said, time_said

PATIENCE_S = 8 * 3600.0
"""One process may take so long: a night. Our choice; a shorter ``trainer.time_budget_s`` counts."""
MEMORY_SHARE = 0.5
"""Of the memory: the other half is for the page cache, where memory-mapped features lie."""
QUERY_S = 0.05
"""An exact search may take so long. Our choice: half of what people perceive as immediate."""
MOST_PROCESSES = 64
"""More processes are not proposed: their communication was never measured here."""

HERE, CPU_JOB, JOB = "this machine", "one CPU Job", "one GPU Job"
DDP, SHARDS = "several-GPU Indexed Job with DDP", "Indexed Job over shards"
EXACT, APPROXIMATE = "exact, in process", "approximate, in process"
PGVECTOR = "pgvector (PostgreSQL)"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """An engine for one thing.

    Attributes:
        what: the stage, or ``index``.
        engine: where it should run.
        why: the rule with its numbers.
        seconds: on that engine; None where that is not known, or where nothing runs.
    """

    what: str
    engine: str
    why: str
    seconds: float | None = None


def choose(planner: Planner, estimate: Estimate) -> list[Choice]:
    """An engine for every stage, and for search."""
    return [
        *(
            _Rule(planner, rates, stage).choice()
            for rates, stage in zip(planner.profile.stages, estimate.stages, strict=True)
        ),
        index(planner, estimate),
    ]


@dataclass(frozen=True)
class _Rule:
    """The rule of one stage."""

    planner: Planner
    rates: StageRates
    stage: StageEstimate

    def choice(self) -> Choice:
        if self.rates.fits:
            return self._training()
        seconds = self.stage.seconds
        took = time_said(seconds)
        if not self.rates.divided:
            return self._of(HERE, f"{took} in one process; it has no other engine", seconds)
        if seconds <= PATIENCE_S:
            return self._of(HERE, f"{took} ≤ {time_said(PATIENCE_S)} in one process", seconds)
        shards = math.ceil(seconds / PATIENCE_S)
        why = f"{took} > {time_said(PATIENCE_S)} in one process; {shards} shards keep each below it"
        if trainer := self._trainer:
            why += f"; `trainer.shards` is {trainer.shards}"
        return self._of(f"{SHARDS} ({shards})", why, seconds / shards)

    def _training(self) -> Choice:
        machine, trainer = self.planner.profile.machine, self._trainer
        limit, origin = PATIENCE_S, "a night"
        if trainer and trainer.time_budget_s < limit:
            limit, origin = float(trainer.time_budget_s), "`trainer.time_budget_s`"
        where = machine.gpu or f"the processor of the profile ({machine.cores} cores)"
        sign = "≤" if self.stage.seconds <= limit else ">"
        why = f"{time_said(self.stage.seconds)} on {where} {sign} {time_said(limit)} ({origin})"
        if self.stage.read_bytes > machine.memory_bytes:
            why += (
                f"; its inputs ({bytes_said(self.stage.read_bytes)}) exceed the memory: reading "
                "them from the disk in every epoch comes on top"
            )
        if self.stage.seconds <= limit:
            job = CPU_JOB if trainer and not trainer.needs_cuda else JOB
            return self._of(job if trainer or machine.gpu else HERE, why, self.stage.seconds)
        if machine.gpu is None:
            why += "; only a profile of a GPU tells how many GPUs it takes (`--profile`)"
            return self._of(JOB, why, None)
        return self._several(limit, why)

    def _several(self, limit: float, why: str) -> Choice:
        """As many processes as the time demands and the batch can feed.

        The global batch stays, so each of P processes has batch/P rows of a step whose
        fixed part does not shrink; where it outweighs the rows' own time, more processes wait.
        """
        line, batch = self.rates.step_seconds, self.planner.config.training.batch_size
        fixed = f"{1e3 * line.fixed:.2g} ms"
        fed = line.slope * batch / line.fixed if line.fixed > 0 else MOST_PROCESSES
        most = min(math.floor(fed), MOST_PROCESSES, batch // 2)
        if most < 2:
            why += (
                f"; more GPUs do not help: the fixed {fixed} of a step outweigh half of its "
                f"{batch} rows; raise batch_size"
            )
            return self._of(JOB, why, self.stage.seconds)
        shares = {p: line.at(batch / p) / line.at(batch) for p in range(2, most + 1)}
        enough = (p for p, share in shares.items() if self.stage.seconds * share <= limit)
        processes = next(enough, most)
        seconds = self.stage.seconds * shares[processes]
        why += (
            f"; {processes} GPUs: at best {time_said(seconds)} (without their exchange of "
            f"gradients), and {batch / processes:.0f} rows of the batch for each still outweigh "
            f"the fixed {fixed} of a step"
        )
        return self._of(f"{DDP} ({processes})", why, seconds)

    @property
    def _trainer(self) -> KubernetesTrainer | None:
        trainer = self.planner.config.trainer
        return trainer if isinstance(trainer, KubernetesTrainer) else None

    def _of(self, engine: str, why: str, seconds: float | None) -> Choice:
        if engine != HERE and not self._trainer:
            why += "; needs `trainer: {where: kubernetes, …}`, this run is local"
        return Choice(what=self.stage.name, engine=engine, why=why, seconds=seconds)


def index(planner: Planner, estimate: Estimate) -> Choice:
    """Exact while it is quick and fits; then approximate while it fits; then a database."""
    memory = MEMORY_SHARE * planner.profile.machine.memory_bytes
    size = f"{bytes_said(estimate.vector_bytes)} of vectors"
    fits = f"{size} fit in {bytes_said(memory)}, half of the memory"
    query = f"an exact search takes {1e3 * estimate.query_seconds:.3g} ms"
    limit = f"{1e3 * QUERY_S:.0f} ms"
    if estimate.vector_bytes > memory:
        why = f"{size} > {bytes_said(memory)}, half of the memory; a database keeps them on disk"
        return Choice(what="index", engine=PGVECTOR, why=why + _offered("postgres"))
    if estimate.query_seconds > QUERY_S:
        why = f"{query} > {limit}, and {fits}"
        return Choice(what="index", engine=APPROXIMATE, why=why + _offered("approximate"))
    return Choice(what="index", engine=EXACT, why=f"{query} ≤ {limit}, and {fits}")


def _offered(name: str) -> str:
    if name in parts.available("index"):
        return ""
    return " (not offered by this version yet: search stays exact and slow)"
