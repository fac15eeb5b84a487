"""A task over a whole data set as the indexes of one Job: cut, submit or find again, watch, and account for every part."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from components.config.trainer import KubernetesTrainer
from components.core.errors import UserError
from components.core.progress import Progress
from components.exchange.exchange import JOBS, OBJECTS, Exchange
from components.pods.code import code_digest
from components.shards.join import accounted, folders, results
from components.shards.plan import Plan
from components.shards.spec import ShardSpec
from components.shards.work import PartResult
from flows.places.jobs import Claim, Say, figures, followed, seen
from infra.cluster import Cluster
from infra.manifests import Work, job_name

SPEC = "spec.json"


@dataclass(frozen=True, kw_only=True)
class Parts:
    """All parts, finished and accounted for."""

    spec: ShardSpec
    folders: Iterator[Path]
    """Files of each chunk in order, verified; a folder is gone when the next one is asked for."""
    clean: Callable[[], None]
    """What to do once the joined result is stored."""


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
        plan: what is to be done.
        trainer: where, and into how many parts.
        run_id: id of the run.
        scratch: a local folder of the run's state.
        progress: told of rows that are copied and done.
        say: told what a person should know, and the pods' own lines.

    Raises:
        UserError: no whole result; the message says why, or which parts are missing.
    """
    exchange = Exchange(trainer.exchange.uri)
    exchange.check()
    code = code_digest()
    name = job_name(plan.task, plan.digest(), code)
    claim = Claim(exchange, name, scratch)
    claim.make()
    spec = _cut(plan, exchange, name, scratch, progress)
    cluster = Cluster(_for_parts(trainer, len(spec.parts)), say=say)

    def whole() -> bool:
        return _whole(spec, results(exchange, name, {}, scratch))

    succeeded: dict[int, str] = {}
    uid: str | None = None
    if cluster.exists(name) or not whole():
        inside = f"{trainer.exchange.inside.rstrip('/')}/{JOBS}/{name}"
        work = Work(
            name=name,
            task=plan.task,
            run=run_id,
            config=f"{inside}/{SPEC}",
            out=inside,
            code=code,
            kind="shards",
        )
        where = f"of {len(spec.parts)} parts in namespace {trainer.namespace}"
        take = _lines(plan.task, spec.rows, progress, say)
        outcome = followed(
            cluster, work, claim=claim, where=where, usable=whole, take=take, say=say
        )
        uid = outcome.uid
        succeeded = {index: token for token, index in outcome.attempts.items()}
    else:
        say(f"Job {name} is gone and its parts are here")
    found = seen(
        lambda: results(exchange, name, succeeded, scratch), lambda parts: _whole(spec, parts)
    )
    chunks = accounted(spec, found)

    def clean() -> None:
        if claim.release():
            cluster.cancel(name, uid, wait=False)
            exchange.remove_job(name)

    return Parts(spec=spec, folders=folders(exchange, name, chunks, scratch), clean=clean)


def _cut(plan: Plan, exchange: Exchange, name: str, scratch: Path, progress: Progress) -> ShardSpec:
    """The spec of a job in the exchange; what an earlier run has cut is not cut again."""
    place = f"{JOBS}/{name}/{SPEC}"
    try:
        spec = ShardSpec.model_validate_json(exchange.read(place))
    except FileNotFoundError:
        pass
    else:
        needed = {p.records for p in spec.parts} | ({spec.package} if spec.package else set())
        if spec.digest() == plan.digest() and {f"{digest}.json" for digest in needed} <= set(
            exchange.names(OBJECTS)
        ):
            return spec
    spec = plan.cut(exchange, scratch, progress)
    exchange.write_json(place, spec.model_dump(mode="json"))
    return spec


def _for_parts(trainer: KubernetesTrainer, parts: int) -> KubernetesTrainer:
    """The trainer block for pods that work alone, as many as there are parts."""
    return trainer.model_copy(update={"shards": parts, "nodes": 1, "min_nodes": None})


def _whole(spec: ShardSpec, parts: list[PartResult]) -> bool:
    try:
        accounted(spec, parts)
    except UserError:
        return False
    return True


def _lines(task: str, rows: int, progress: Progress, say: Say) -> Say:
    """Takes the lines of all pods: together their progress moves one bar, all else is shown."""
    done: dict[str, int] = {}

    def take(line: str) -> None:
        told = figures(line)
        try:
            done[str(told["what"])] = int(told["step"])
        except (ValueError, KeyError, TypeError):
            say(line)
        else:
            progress(task, sum(done.values()), rows)

    return take
