"""Work as a Job: submitted or found, followed to its end, its result taken from the exchange."""

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from components.config.trainer import KubernetesTrainer
from components.core.errors import UserError
from components.core.progress import Cleanup, Say
from components.exchange.errors import Incomplete
from components.exchange.exchange import JOBS, SPEC, Exchange
from components.pods.code import code_digest
from flows.places.lease import Lease
from infra.cluster import Cluster
from infra.failures import JobDeleted
from infra.manifests import Work, job_name
from infra.watching import Outcome

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_LINE = re.compile(r"^(?:\[\d+\] )?(\{.*\})$")
_SEEN_S = 20.0
"""How long to wait for the result of a complete Job: a shared folder may list old content."""


class Assignment(Protocol[T_co]):
    """What one Job does; everything else is the same for every Job."""

    @property
    def task(self) -> str:
        """Part of the Job's name: ``train``, ``encode`` and so on."""
        ...

    @property
    def parts(self) -> int | None:
        """How many independent parts; None where all pods work on one result."""
        ...

    def digest(self) -> str:
        """SHA-256 of all that shapes the result."""
        ...

    def prepare(self, exchange: Exchange, job: str) -> str:
        """Write what the pods read, the spec last; returns the spec's seal."""
        ...

    def result(self, exchange: Exchange, job: str, succeeded: Mapping[str, int]) -> T_co:
        """What the pods have written.

        Args:
            exchange: where it is.
            job: name of the Job.
            succeeded: UID to index of the pods that the cluster reports as successful, if known.

        Raises:
            Incomplete: some of it is missing.
        """
        ...

    def take(self, line: str) -> None:
        """Receives each line that a pod writes."""
        ...


@dataclass(frozen=True, kw_only=True)
class Finished(Generic[T]):
    """A Job whose result is complete."""

    exchange: Exchange
    job: str
    result: T
    clean: Cleanup
    """To be called once the result is stored."""


def run(
    assignment: Assignment[T], *, config: KubernetesTrainer, run_id: str, state: Path, say: Say
) -> Finished[T]:
    """Have a Job do an assignment, or find the Job or the result of an earlier run.

    Args:
        assignment: what to do.
        config: where.
        run_id: id of the run.
        state: a folder of the run's state.
        say: receives messages for the user.

    Raises:
        UserError: no result; the message gives the reason.
    """
    exchange = Exchange(config.exchange.uri)
    exchange.check()
    code = code_digest()
    name = job_name(assignment.task, assignment.digest(), code)
    lease = Lease(exchange, name, state)
    lease.take()
    cluster = Cluster(config, say=say)
    uid, succeeded = None, {}
    if cluster.exists(name) or not _complete(assignment, exchange, name):
        seal = assignment.prepare(exchange, name)
        inside = f"{config.exchange.inside.rstrip('/')}/{JOBS}/{name}"
        work = Work(
            name=name,
            task=assignment.task,
            run=run_id,
            config=f"{inside}/{SPEC}",
            out=inside,
            code=code,
            parts=assignment.parts,
            seal=seal,
        )
        outcome = _followed(
            cluster,
            work,
            lease=lease,
            where=_where(assignment.parts, config),
            usable=lambda: _complete(assignment, exchange, name),
            take=assignment.take,
            say=say,
        )
        uid, succeeded = outcome.uid, outcome.attempts
    else:
        say(f"Job {name} no longer exists; its result is in the exchange")
    result = _awaited(lambda: assignment.result(exchange, name, succeeded))

    def clean() -> None:
        with lease.released() as last:
            if last:
                cluster.cancel(name, uid, wait=False)
                exchange.remove_job(name)

    return Finished(exchange=exchange, job=name, result=result, clean=clean)


def figures(line: str) -> dict[str, Any]:
    """The JSON object in a pod's line, which an Indexed Job's pod prefixes; else an empty one.

    >>> figures('[1] {"what": "student", "step": 3, "total": 60}')["step"]
    3
    >>> figures("a message of the user's own code")
    {}
    """
    found = _LINE.match(line)
    try:
        return dict(json.loads(found[1])) if found else {}
    except ValueError:
        return {}


def _followed(
    cluster: Cluster,
    work: Work,
    *,
    lease: Lease,
    where: str,
    usable: Callable[[], bool],
    take: Say,
    say: Say,
) -> Outcome:
    """Submit or find a Job and follow it; an interrupt cancels it unless another run needs it."""
    uid, attached = cluster.submit(work, usable=lambda _: usable())
    say(f"{'found' if attached else 'submitted'} Job {work.name} {where}")
    try:
        return cluster.watch(work.name, uid, take=take)
    except JobDeleted:
        if not usable():
            raise
        say(f"Job {work.name} was deleted after it had written its result")
        return Outcome(name=work.name, uid=uid, attempts={})
    except KeyboardInterrupt:
        try:
            with lease.released() as last:
                if last:
                    what = f"deleting Job {work.name}"
                    say(f"cancelled: {what}; the next run resumes what it finished")
                    cluster.cancel(work.name, uid)
                else:
                    say(f"cancelled: Job {work.name} keeps running, another run waits for it")
        except UserError as error:
            say(f"cancelled, but Job {work.name} may still run: {error}")
        raise


def _complete(assignment: Assignment[Any], exchange: Exchange, job: str) -> bool:
    try:
        assignment.result(exchange, job, {})
    except Incomplete:
        return False
    return True


def _awaited(result: Callable[[], T]) -> T:
    """A result that may become visible a little later.

    Raises:
        Incomplete: it did not.
    """
    end = time.monotonic() + _SEEN_S
    while True:
        try:
            return result()
        except Incomplete:
            if time.monotonic() > end:
                raise
            time.sleep(1)


def _where(parts: int | None, config: KubernetesTrainer) -> str:
    namespace = f"in namespace {config.namespace}"
    return namespace if parts is None else f"of {parts} parts {namespace}"
