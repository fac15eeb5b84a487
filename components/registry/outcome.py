"""What a decision came to, and whether the ledger already holds the answer."""

from dataclasses import dataclass, field

from components.registry.gate import Verdict
from components.registry.versions import RegisteredVersion, Versions


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a decision came to."""

    verdict: Verdict
    reasons: list[str] = field(default_factory=list)
    champion: RegisteredVersion | None
    changed: bool = False
    """Whether the champion changed."""
    recorded: bool = False
    """Whether the ledger has new entries; False where the same evidence was decided before."""


def settled(
    versions: Versions, challenger: RegisteredVersion, evidence_digest: str
) -> Outcome | None:
    """The outcome where nothing needs to be computed; None where the gate must decide."""
    now, history = versions.champion(), versions.history
    if now is not None and now.package_digest == challenger.package_digest:
        reason = f"version {now.version} is already the champion: nothing to decide"
        return Outcome(verdict="keep", reasons=[reason], champion=now)
    earlier = history.decided(evidence_digest)
    if earlier is None:
        return None
    at = f"on {earlier.time} (ledger entry {earlier.seq})"
    if earlier.kind == "refusal":
        reasons = [*earlier.details["reasons"], f"decided {at}"]
        return Outcome(verdict=earlier.details["verdict"], reasons=reasons, champion=now)
    if history.rollback_of(challenger.package_digest):
        return None
    reason = f"promoted on this evidence {at}; another version was chosen since"
    return Outcome(verdict="keep", reasons=[reason], champion=now)
