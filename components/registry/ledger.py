"""The append-only record of every look, registration, promotion, refusal and rollback: a file, or a table of a team's database.

Every rule that the registry follows can be replayed from here: who was champion when, on what evidence, and who said so.
The database refuses updates and deletions by triggers; one entry, or one list of entries, is one durable transaction.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, Self

from components.registry.ledger_entry import Entry, Kind, check, from_row, row
from components.registry.ledger_sqlite import SqliteStore


class _Store(Protocol):
    """Where rows are kept; see `components.registry.ledger_sqlite` and `components.registry.ledger_postgres`."""

    def append(self, rows: Sequence[Sequence[object]]) -> list[int]: ...

    def read(self, model: str | None, kind: str | None) -> list[tuple[Any, ...]]: ...

    def alone(self, wait: float) -> AbstractContextManager[Self]: ...


class Ledger:
    """Reads and appends entries; any number of processes may do both at once.

    A missing ledger reads as empty, and reading never makes one.

    Args:
        place: a file, or a PostgreSQL URL.
    """

    def __init__(self, place: Path | str) -> None:
        self._store = _store(place)

    def append(self, *entries: Entry) -> list[Entry]:
        """Write entries in one transaction and return them with their ``seq``.

        Raises:
            UserError: the ledger cannot be written (read-only, disk full, no connection), is none, or others hold it too long.
        """
        for entry in entries:
            check(entry)
        places = self._store.append([row(entry) for entry in entries])
        return [replace(entry, seq=place) for entry, place in zip(entries, places, strict=True)]

    def entries(self, model: str | None = None, kind: Kind | None = None) -> list[Entry]:
        """Entries in the order they were written, of one model and of one kind where given.

        Raises:
            UserError: the ledger cannot be read, or is none.
        """
        return [from_row(values) for values in self._store.read(model, kind)]

    @contextmanager
    def alone(self, wait: float) -> "Iterator[Ledger]":
        """Hold the one lock of decisions and give the ledger to write with meanwhile; freed when its holder dies.

        Raises:
            UserError: another process holds it longer than ``wait`` seconds, or the ledger's place cannot be written.
        """
        with self._store.alone(wait) as store:
            held = Ledger.__new__(Ledger)
            held._store = store
            yield held

    def decided(self, model: str, evidence_digest: str) -> Entry | None:
        """The last promotion or refusal that rests on this evidence."""
        found = [
            e
            for e in self.entries(model)
            if e.kind in ("promotion", "refusal") and e.evidence_digest == evidence_digest
        ]
        return found[-1] if found else None

    def rolled_back(self, model: str) -> set[str]:
        """Package digests that a person rolled back and nobody has promoted since."""
        digests: set[str] = set()
        for entry in self.entries(model):
            if entry.kind == "rollback":
                digests.add(entry.details["from_package_digest"])
            elif entry.kind == "promotion" and entry.package_digest is not None:
                digests.discard(entry.package_digest)
        return digests

    def looks(self, model: str) -> int:
        """How many times a challenger's figures on held-out rows were looked at."""
        return len(self.entries(model, "look"))

    def succession(self, model: str) -> list[Entry]:
        """The promotions that led to today's champion: oldest first, champion last, rolled back ones taken out."""
        stack: list[Entry] = []
        for entry in self.entries(model):
            if entry.kind == "promotion":
                stack.append(entry)
            elif entry.kind == "rollback" and stack:
                stack.pop()
        return stack


def _store(place: Path | str) -> _Store:
    if isinstance(place, str):
        from components.registry.ledger_postgres import PostgresStore

        return PostgresStore(place)
    return SqliteStore(place)
