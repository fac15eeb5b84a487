"""Which state folders wait for a Job, so that one run does not remove what another still needs."""

import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from components.core.files import write_atomically
from components.exchange.exchange import JOBS, Exchange

CLOSING = "closing"
_CLOSING_S = 120.0
"""A removal takes seconds; one that is announced for longer was cut off."""


class Lease:
    """A reference to a Job's folder in the exchange, held by one state folder.

    Neither a folder nor an object store can look and delete in one piece. So who may remove a
    Job's folder announces it before the last look at the leases, and who takes a lease looks for
    announcements after it: of two that meet, at least one sees the other.

    Args:
        exchange: where the Job's folder is.
        job: name of the Job.
        state: a folder of the run's state; the next run on it holds the same lease.
        sleep: waits some seconds.
    """

    def __init__(
        self,
        exchange: Exchange,
        job: str,
        state: Path,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._exchange, self._sleep = exchange, sleep
        self._name, self._all = _identity(state), f"{JOBS}/{job}/leases"
        self._job = job

    def take(self) -> None:
        """Write the lease; do so before looking for the Job. Waits for a removal under way."""
        waited = 0.0
        while True:
            self._write(f"{self._all}/{self._name}/lease.json")
            announced = self._announced()
            # A removal that has just ended may have taken the lease with it.
            if not announced and self._name in self._exchange.names(self._all):
                return
            if announced and waited >= _CLOSING_S:
                for name in announced:
                    self._exchange.remove(f"{CLOSING}/{name}")
            elif announced:
                self._sleep(0.5)
                waited += 0.5

    @contextmanager
    def released(self) -> Iterator[bool]:
        """Remove the lease; yields whether it was the last one.

        If it was, nobody gets a lease before the end of the block, which may remove all that
        belongs to the Job.
        """
        self._exchange.remove(f"{self._all}/{self._name}")
        mine = f"{CLOSING}/{self._job}.{self._name}.json"  # the Job's own folder may be removed
        self._write(mine)
        try:
            yield not self._exchange.names(self._all)
        finally:
            self._exchange.remove(mine)

    def _announced(self) -> list[str]:
        """Announcements of removals of this Job."""
        found = self._exchange.names(CLOSING)
        return [name for name in found if name.startswith(f"{self._job}.")]

    def _write(self, place: str) -> None:
        self._exchange.write_json(place, {"host": socket.gethostname()})


def _identity(state: Path) -> str:
    """A random name for a state folder, kept in it: the same wherever the folder is mounted."""
    kept = state / ".leaseholder"
    if not kept.is_file():
        write_atomically(kept, secrets.token_hex(8))
    return kept.read_text(encoding="utf-8").strip()
