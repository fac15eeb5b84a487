"""Which engine each stage should run on: rules with written thresholds, so that a reader can check every answer."""

import math
from dataclasses import dataclass

from components.config.trainer import KubernetesTrainer
from components.parts import loading as parts
from components.plan.estimate import Estimate, Planner, StageEstimate
from components.plan.shown import bytes_said, time_said
from components.plan.work import TRAINING

PATIENCE_S = 8 * 3600.0
"""A stage that takes longer in one process goes elsewhere: a night. Our choice; a cluster's shorter ``time_budget_s`` wins."""
MEMORY_SHARE = 0.5
"""Of the memory: the other half is for the page cache, which the memory-mapped features live in, and for copies."""
QUERY_S = 0.05
"""An exact search may take so long. Our choice: half of the tenth of a second that people take for at once."""
MOST_PROCESSES = 64
"""More processes than this are not proposed: what they say to each other was never measured here."""

HERE, CPU_JOB, JOB = "this machine", "one CPU Job", "one GPU Job"
DDP, SHARDS = "several-GPU Indexed Job with DDP", "Indexed Job over shards"
EXACT, APPROXIMATE, PGVECTOR = (
    "exact, in process",
    "approximate, in process",
    "pgvector (PostgreSQL)",
)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """An engine for one thing.

    Attributes:
        what: the stage, or ``index``.
        engine: where it should run.
        why: the rule with its numbers.
        seconds: on that engine, by one process where it is not known; None where nothing runs.
    """

    what: str
    engine: str
    why: str
    seconds: float | None = None


def choose(planner: Planner, estimate: Estimate) -> list[Choice]:
    """An engine for every stage, and for search."""
    return [*(_stage(planner, stage) for stage in estimate.stages), index(planner, estimate)]


def _stage(planner: Planner, stage: StageEstimate) -> Choice:
    if stage.name in TRAINING:
        return _training(planner, stage)
    if stage.name == "encode":
        return _encode(planner, stage)
    if too_large := _fits(planner, stage):
        engine = f"a machine with {bytes_said(stage.resident_bytes / MEMORY_SHARE)} of memory"
        why = f"{too_large}; this stage is one process and is not divided"
        return Choice(what=stage.name, engine=engine, why=why, seconds=stage.seconds)
    why = f"{time_said(stage.seconds)} in one process, {bytes_said(stage.resident_bytes)} of memory; it has no other engine"
    return Choice(what=stage.name, engine=HERE, why=why, seconds=stage.seconds)


def _encode(planner: Planner, stage: StageEstimate) -> Choice:
    too_large = _fits(planner, stage)
    limit = PATIENCE_S
    trainer = (
        planner.config.trainer if isinstance(planner.config.trainer, KubernetesTrainer) else None
    )
    if stage.seconds <= limit and not too_large:
        why = f"{time_said(stage.seconds)} ≤ {time_said(limit)} and {bytes_said(stage.resident_bytes)} fit in memory"
        why += (
            f"; the configured {trainer.shards} shards are not needed at this size"
            if trainer and trainer.shards > 1
            else ""
        )
        return Choice(what="encode", engine=HERE, why=why, seconds=stage.seconds)
    wanted = max(
        math.ceil(stage.seconds / limit), math.ceil(stage.resident_bytes / _memory(planner))
    )
    why = too_large or f"{time_said(stage.seconds)} > {time_said(limit)} in one process"
    why += f"; {wanted} shards keep each below both limits{_needs_cluster(planner)}"
    why += f", `trainer.shards` is {trainer.shards}" if trainer else ""
    return Choice(
        what="encode", engine=f"{SHARDS} ({wanted})", why=why, seconds=stage.seconds / wanted
    )


def _training(planner: Planner, stage: StageEstimate) -> Choice:
    trainer = (
        planner.config.trainer if isinstance(planner.config.trainer, KubernetesTrainer) else None
    )
    if not stage.steps:
        return Choice(what=stage.name, engine=HERE, why="nothing to train", seconds=stage.seconds)
    limit, origin = PATIENCE_S, "a night"
    if trainer and trainer.time_budget_s < limit:
        limit, origin = float(trainer.time_budget_s), "`trainer.time_budget_s`"
    where = (
        planner.profile.machine.gpu
        or f"the processor of the profile ({planner.profile.machine.cores} cores)"
    )
    took, note = f"{time_said(stage.seconds)} on {where}", _fits_note(planner, stage)
    if trainer and trainer.together:
        note += f"; configured: {trainer.nodes} pods of {trainer.processes} processes"
    if stage.seconds <= limit:
        engine = (
            CPU_JOB
            if trainer and not trainer.needs_cuda
            else JOB
            if trainer or planner.profile.gpu
            else HERE
        )
        why = f"{took} ≤ {time_said(limit)} ({origin}){note}"
        return Choice(
            what=stage.name,
            engine=engine,
            why=why + _needs_cluster(planner, engine),
            seconds=stage.seconds,
        )
    if not planner.profile.gpu:
        why = f"{took} > {time_said(limit)} ({origin}){note}; how many GPUs it takes only a GPU profile can say (`--profile`)"
        return Choice(
            what=stage.name, engine=JOB, why=why + _needs_cluster(planner, JOB), seconds=None
        )
    return _several(planner, stage, limit, f"{took} > {time_said(limit)} ({origin}){note}")


def _several(planner: Planner, stage: StageEstimate, limit: float, why: str) -> Choice:
    """As many processes as the time asks for and the batch still feeds.

    The global batch stays, so each of P processes has batch/P rows of a step whose fixed part does not shrink; where it
    outweighs the rows' own time, another process mostly waits.
    """
    line, batch = planner.profile.steps["full"], planner.config.training.batch_size
    fed = (
        MOST_PROCESSES
        if line.fixed <= 0
        else max(1, min(MOST_PROCESSES, math.floor(line.slope * batch / line.fixed)))
    )
    whole = planner.parallel_step("full", 1)
    for processes in range(2, min(fed, batch // 2) + 1):
        seconds = stage.seconds * planner.parallel_step("full", processes) / whole
        if seconds <= limit or processes == min(fed, batch // 2):
            why += (
                f"; {processes} GPUs: at best {time_said(seconds)} (their exchange of gradients is not in it), and "
                f"{batch / processes:.0f} rows of the batch for each still outweigh a step's fixed {1e3 * line.fixed:.2g} ms"
            )
            return Choice(
                what=stage.name,
                engine=f"{DDP} ({processes})",
                why=why + _needs_cluster(planner, DDP),
                seconds=seconds,
            )
    why += f"; more GPUs do not help: a step's fixed {1e3 * line.fixed:.2g} ms outweigh half of {batch} rows; raise batch_size"
    return Choice(
        what=stage.name, engine=JOB, why=why + _needs_cluster(planner, JOB), seconds=stage.seconds
    )


def index(planner: Planner, estimate: Estimate) -> Choice:
    """Exact while it is quick and fits; then approximate while it fits; then a database."""
    memory, vectors = _memory(planner), estimate.vector_bytes
    size = f"{bytes_said(vectors)} of vectors"
    query = f"an exact search takes {1e3 * estimate.query_seconds:.3g} ms"
    if vectors > memory:
        why = f"{size} > {bytes_said(memory)}, half of the memory; they go to a database with an index on disk"
        return Choice(what="index", engine=PGVECTOR, why=why + _offered("postgres"))
    if estimate.query_seconds > QUERY_S:
        why = f"{query} > {1e3 * QUERY_S:.0f} ms, and {size} fit in {bytes_said(memory)}"
        return Choice(what="index", engine=APPROXIMATE, why=why + _offered("approximate"))
    why = f"{query} ≤ {1e3 * QUERY_S:.0f} ms, and {size} fit in {bytes_said(memory)}, half of the memory"
    return Choice(what="index", engine=EXACT, why=why)


def _offered(name: str) -> str:
    return (
        ""
        if name in parts.available("index")
        else " (not offered by this version yet: search stays exact and slow)"
    )


def _memory(planner: Planner) -> float:
    return MEMORY_SHARE * planner.profile.machine.memory_bytes


def _fits(planner: Planner, stage: StageEstimate) -> str:
    """Why a stage does not fit into memory; nothing where it does. Training on a cluster has its pod's."""
    memory, whose = _memory(planner), "the memory"
    if stage.name in TRAINING and isinstance(planner.config.trainer, KubernetesTrainer):
        memory, whose = MEMORY_SHARE * quantity(planner.config.trainer.memory), "`trainer.memory`"
    if stage.resident_bytes <= memory:
        return ""
    return (
        f"{bytes_said(stage.resident_bytes)} held at once > {bytes_said(memory)}, half of {whose}"
    )


def quantity(said: str) -> float:
    """Bytes of a Kubernetes quantity.

    >>> quantity("4Gi"), quantity("1.5G"), quantity("2048")
    (4294967296.0, 1500000000.0, 2048.0)
    """
    number = said.rstrip("kKMGTi")
    unit = said[len(number) :]
    power = "kMGT".find(unit[0].replace("K", "k")) + 1 if unit else 0
    return float(number) * (1024.0 if unit.endswith("i") else 1000.0) ** power


def _fits_note(planner: Planner, stage: StageEstimate) -> str:
    said = _fits(planner, stage)
    return (
        f"; {said}: give its pod {bytes_said(stage.resident_bytes / MEMORY_SHARE)}" if said else ""
    )


def _needs_cluster(planner: Planner, engine: str = SHARDS) -> str:
    local = not isinstance(planner.config.trainer, KubernetesTrainer)
    return (
        "; needs `trainer: {where: kubernetes, …}`, this run is local"
        if local and engine != HERE
        else ""
    )
