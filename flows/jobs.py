"""What every Job of a flow has in common: handed over or found again, followed to its end, its results waited for a little."""

import time
from collections.abc import Callable
from typing import TypeVar

from infra.cluster import Cluster
from infra.manifests import Work
from infra.watching import Outcome

T = TypeVar("T")
Say = Callable[[str], None]

_SEEN_S = 20.0
"""How long results may take to be seen here after their Job is complete: shared folders remember what was not there."""


def followed(cluster: Cluster, work: Work, *, where: str, usable: Callable[[], bool], take: Say, say: Say) -> Outcome:
    """Submit a Job, or find the one that does this work already, and follow it to its end; who interrupts cancels it.

    Args:
        cluster: where.
        work: what is to be done.
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
    except KeyboardInterrupt:
        say(f"cancelled: deleting Job {work.name}; what it has finished stays for the next time")
        cluster.cancel(work.name, uid)
        raise


def seen(look: Callable[[], T], enough: Callable[[T], bool]) -> T:
    """What a look at the exchange finds, after a while at most; it need not be enough."""
    end = time.monotonic() + _SEEN_S
    while not enough(found := look()) and time.monotonic() < end:
        time.sleep(1)
    return found
