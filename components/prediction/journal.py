"""The journal of records: every write by users, raw and in order, so that any model can apply it.

A unit (one model with its index) derives its records from its package and the journal. A write is
committed before it is acknowledged; all that a unit makes of it may be lost and made again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Label = str | list[str] | None
"""A class, a list of classes where a record has a set of them, or None where it is unknown."""


@dataclass(frozen=True, kw_only=True)
class Write:
    """One record as a user wrote it.

    Attributes:
        id: id of the record.
        record: modality to value as it was sent, media as bytes; None deletes the record.
        label: its label, if known.
        time: the moment that it is from, in seconds since 1970.
    """

    id: str
    record: Mapping[str, Any] | None
    label: Label = None
    time: float | None = None


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One row of the journal, without what was written.

    Attributes:
        number: of the write; later writes have larger numbers.
        id: id of the record.
        deleted: whether it was deleted.
    """

    number: int
    id: str
    deleted: bool


@dataclass(frozen=True, kw_only=True)
class Made:
    """What one model made of writes, kept so that it need not be made again.

    Attributes:
        digest: of the model's package.
        contents: what it made of each write of a call, in order; None of a deletion.
    """

    digest: str
    contents: Sequence[bytes | None]


class Journal(Protocol):
    """Writes in order, for any number of threads and processes.

    Whoever has read all writes up to a number has missed none before it: a number becomes visible
    only after all smaller ones.
    """

    def append(self, writes: Sequence[Write], made: Made | None = None) -> int:
        """Commit writes and return the number of the last one; they are numbered in a row."""
        ...

    def last(self) -> int:
        """The number of the last write; 0 without any."""
        ...

    def after(self, number: int, limit: int) -> list[Entry]:
        """The first ``limit`` rows after a number, in order."""
        ...

    def written(self, numbers: Sequence[int]) -> dict[int, Write]:
        """What was written, by number; rows that were compacted away are left out."""
        ...

    def made(self, digest: str, numbers: Sequence[int]) -> dict[int, bytes]:
        """What a model has made of writes, by number, as far as it is kept."""
        ...

    def keep(self, digest: str, made: Mapping[int, bytes]) -> None:
        """Keep what a model made of writes."""
        ...

    def compact(self, packages: Sequence[str]) -> int:
        """Keep the last write of each record, and what these packages made of it.

        Returns:
            How many writes were removed.
        """
        ...
