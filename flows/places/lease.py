"""Which state folders wait for a Job, so that one run does not remove what another still needs."""

import secrets
import socket
from pathlib import Path

from components.core.files import write_atomically
from components.exchange.exchange import JOBS, Exchange


class Lease:
    """A reference to a Job's folder in the exchange, held by one state folder.

    Args:
        exchange: where the Job's folder is.
        job: name of the Job.
        state: a folder of the run's state; the next run on it holds the same lease.
    """

    def __init__(self, exchange: Exchange, job: str, state: Path) -> None:
        self._exchange, self._all = exchange, f"{JOBS}/{job}/leases"
        self._own = f"{self._all}/{_identity(state)}"

    def take(self) -> None:
        """Write the lease; do so before looking for the Job."""
        self._exchange.write_json(f"{self._own}/lease.json", {"host": socket.gethostname()})

    def release(self) -> bool:
        """Remove the lease; returns whether it was the last one."""
        self._exchange.remove(self._own)
        return not self._exchange.names(self._all)


def _identity(state: Path) -> str:
    """A random name for a state folder, kept in it: the same wherever the folder is mounted."""
    kept = state / ".leaseholder"
    if not kept.is_file():
        write_atomically(kept, secrets.token_hex(8))
    return kept.read_text(encoding="utf-8").strip()
