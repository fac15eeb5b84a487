"""One line of the ledger: what it must say, and how it is a row of a table."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Kind = Literal["look", "registration", "promotion", "refusal", "rollback"]
KINDS: tuple[str, ...] = get_args(Kind)
COLUMNS = (
    "time",
    "model",
    "kind",
    "version",
    "package_digest",
    "evidence_digest",
    "actor",
    "details",
)
REFUSED = "the ledger is append-only"
"""What a database answers to whoever changes or removes an entry."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the ledger.

    ``version`` and ``package_digest`` name the version that the entry speaks of: registered, looked at, refused, or, for a
    ``promotion`` and a ``rollback``, the one that is champion from then on.
    """

    time: str
    """UTC, ISO 8601; given by the caller, the ledger has no clock."""
    model: str
    kind: Kind
    version: int | None = None
    package_digest: str | None = None
    evidence_digest: str | None = None
    actor: str
    details: dict[str, Any] = field(default_factory=dict)
    seq: int = 0
    """Place in the ledger from 1; 0 as long as it is not written."""


def check(entry: Entry) -> None:
    """Refuse an entry that could not be replayed.

    Raises:
        ValueError: unknown kind, or what its kind needs is missing (a mistake of the caller).
    """
    if entry.kind not in KINDS:
        raise ValueError(f"kind: got {entry.kind!r}, wanted one of {KINDS}")
    if entry.kind in ("promotion", "rollback") and (
        entry.version is None or entry.package_digest is None
    ):
        raise ValueError(
            f"a {entry.kind} must name version and package_digest of the champion from now on"
        )
    if entry.kind == "rollback" and not isinstance(entry.details.get("from_package_digest"), str):
        raise ValueError("a rollback must name details['from_package_digest']")


def row(entry: Entry) -> tuple[object, ...]:
    """The values of an entry in the order of ``COLUMNS``."""
    details = json.dumps(entry.details, sort_keys=True, ensure_ascii=False)
    return (*(getattr(entry, name) for name in COLUMNS[:-1]), details)


def from_row(values: Sequence[Any]) -> Entry:
    """The entry behind the values of ``COLUMNS`` and its place."""
    *values, details, seq = values
    return Entry(**dict(zip(COLUMNS, values, strict=False)), details=json.loads(details), seq=seq)
