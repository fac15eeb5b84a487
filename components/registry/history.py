"""Facts derived from the ledger's entries of one model: pure functions of the list."""

from collections.abc import Sequence
from dataclasses import dataclass

from components.registry.ledger_entry import Entry


@dataclass(frozen=True)
class History:
    """The entries of one model, in the order in which they were written."""

    model: str
    entries: Sequence[Entry]

    def followed_by(self, entries: Sequence[Entry]) -> "History":
        """The history after more entries were appended."""
        return History(self.model, [*self.entries, *entries])

    def registrations(self) -> list[Entry]:
        """The registration of every version, oldest first."""
        return [e for e in self.entries if e.kind == "registration"]

    def looks(self) -> int:
        """How many times a challenger's figures on held-out rows were looked at."""
        return sum(e.kind == "look" for e in self.entries)

    def decided(self, evidence_digest: str) -> Entry | None:
        """The last promotion or refusal that rests on this evidence."""
        for entry in reversed(self.entries):
            if entry.kind in ("promotion", "refusal") and entry.evidence_digest == evidence_digest:
                return entry
        return None

    def rollback_of(self, package_digest: str) -> Entry | None:
        """The rollback that took a package's place away, unless it was promoted again since."""
        for entry in reversed(self.entries):
            if entry.kind == "promotion" and entry.package_digest == package_digest:
                return None
            if entry.kind == "rollback" and entry.details["from_package_digest"] == package_digest:
                return entry
        return None

    def succession(self) -> list[Entry]:
        """The promotions that led to the champion, oldest first, without those rolled back."""
        stack: list[Entry] = []
        for entry in self.entries:
            if entry.kind == "promotion":
                stack.append(entry)
            elif entry.kind == "rollback" and stack:
                stack.pop()
        return stack
