"""One entry of the ledger: its fields, which of them its kind requires, and its row."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

Kind = Literal["look", "registration", "promotion", "refusal", "rollback"]
KINDS: tuple[str, ...] = get_args(Kind)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry of the ledger.

    ``version`` and ``package_digest`` name the version that was registered, looked at or refused;
    for a ``promotion`` and a ``rollback``, the one that is champion from then on.
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
    """Place in the ledger, from 1; 0 until it is written."""


def check(entry: Entry) -> None:
    """Refuse an entry that could not be replayed.

    Raises:
        ValueError: an unknown kind, or a missing field that its kind requires; a mistake of the
            caller.
    """
    if entry.kind not in KINDS:
        raise ValueError(f"kind: got {entry.kind!r}, wanted one of {KINDS}")
    if entry.kind in ("promotion", "rollback") and (
        entry.version is None or entry.package_digest is None
    ):
        raise ValueError(f"a {entry.kind} must name version and package_digest of the new champion")
    if entry.kind == "rollback" and not isinstance(entry.details.get("from_package_digest"), str):
        raise ValueError("a rollback must name details['from_package_digest']")


def to_row(entry: Entry) -> dict[str, Any]:
    """Column to value; the details are JSON text."""
    details = json.dumps(entry.details, sort_keys=True, ensure_ascii=False)
    return {**asdict(entry), "details": details}


def from_row(row: Mapping[str, Any]) -> Entry:
    """The entry of a row that `to_row` wrote."""
    return Entry(**{**row, "details": json.loads(row["details"])})
