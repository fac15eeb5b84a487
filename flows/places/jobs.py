"""What every Job of a flow has in common: handed over or found again, followed to its end, its results waited for a little."""

import json
import re
import secrets
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from components.core.errors import UserError
from components.core.files import write_atomically
from components.exchange.exchange import JOBS, Exchange
from infra.cluster import Cluster
from infra.failures import JobDeleted
from infra.manifests import Work
from infra.watching import Outcome

T = TypeVar("T")
Say = Callable[[str], None]

_LINE = re.compile(r"^(?:\[\d+\] )?(\{.*\})$")
_SEEN_S = 20.0
"""How long results may take to be seen here after their Job is complete: shared folders remember what was not there."""


def followed(
    cluster: Cluster,
    work: Work,
    *,
    claim: "Claim",
    where: str,
    usable: Callable[[], bool],
    take: Say,
    say: Say,
) -> Outcome:
    """Submit a Job, or find the one that does this work already, and follow it to its end; who interrupts cancels it.

    Args:
        cluster: where.
        work: what is to be done.
        claim: of this run; a Job that others wait for too is not cancelled.
        where: words for where that is.
        usable: whether the results of a Job that is complete can still be had.
        take: given the lines of its pods.
        say: told what a person should know.

    Raises:
        UserError: no result; the message says why.
    """
    uid, attached = cluster.submit(work, usable=lambda _: usable())
    say(f"{'found' if attached else 'submitted'} Job {work.name} {where}")
    try:
        return cluster.watch(work.name, uid, take=take)
    except JobDeleted:
        if not usable():
            raise
        say(f"Job {work.name} is gone, and its result is here")
        return Outcome(name=work.name, uid=uid, attempts={})
    except KeyboardInterrupt:
        try:
            if claim.release():
                say(
                    f"cancelled: deleting Job {work.name}; what it has finished stays for the next time"
                )
                cluster.cancel(work.name, uid)
            else:
                say(f"cancelled: Job {work.name} goes on, another run waits for it")
        except UserError as error:
            say(f"cancelled, and Job {work.name} may go on: {error}")
        raise


class Claim:
    """Says in the exchange that this state folder waits for a job, so that another one does not clean it away.

    Args:
        exchange: where the job's folder is.
        job: name of the job.
        state: a folder of the run's state; the next run on it has the same claim.
    """

    def __init__(self, exchange: Exchange, job: str, state: Path) -> None:
        self._exchange, self._claims = exchange, f"{JOBS}/{job}/claims"
        self._mine = f"{self._claims}/{_identity(state)}"

    def make(self) -> None:
        """Before the job is looked for."""
        self._exchange.write_json(f"{self._mine}/claim.json", {"host": socket.gethostname()})

    def release(self) -> bool:
        """Once the result is stored; whether nobody else waits."""
        self._exchange.remove(self._mine)
        return not self._exchange.names(self._claims)


def _identity(state: Path) -> str:
    """Names a state folder wherever it is mounted: drawn once and kept in it."""
    kept = state / "claimant"
    if not kept.is_file():
        write_atomically(kept, secrets.token_hex(8))
    return kept.read_text(encoding="utf-8").strip()


def figures(line: str) -> dict[str, Any]:
    """The JSON object that a pod's line is, without the prefix of an Indexed Job's pod; empty where it is none.

    >>> figures('[1] {"what": "teacher", "step": 3, "total": 60}')["step"]
    3
    >>> figures("a word of yours")
    {}
    """
    found = _LINE.match(line)
    try:
        return dict(json.loads(found[1])) if found else {}
    except ValueError:
        return {}


def seen(look: Callable[[], T], enough: Callable[[T], bool]) -> T:
    """What a look at the exchange finds, after a while at most; it need not be enough."""
    end = time.monotonic() + _SEEN_S
    while not enough(found := look()) and time.monotonic() < end:
        time.sleep(1)
    return found
