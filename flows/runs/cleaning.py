"""What ``concord runs clean`` removes from the state folder: content that only old runs needed."""

from collections.abc import Container, Sequence
from datetime import datetime

from components.config.home import Home
from components.core.content import Stored, stored
from flows.runs.records import RunRecord


def unneeded(home: Home, kept: Sequence[RunRecord]) -> list[Stored]:
    """Content that the kept runs do not need.

    Step outputs stay if a kept run names their key; everything else, which can be made or fetched
    again, if it was written since the first kept run began or a kept output names it.
    """
    keys = {step["key"] for record in kept for step in record.steps}
    outputs = [entry for entry in stored(home.steps, depth=2) if entry.key not in keys]
    since = min((datetime.fromisoformat(r.started).timestamp() for r in kept), default=float("inf"))
    named = _named(home, keys)

    def unused(entry: Stored) -> bool:
        # A cached view is named by its digest, which features record, and that of its code.
        return entry.used < since and entry.key.partition("-")[0] not in named

    # A team's packages can be fetched again; one machine's are what it serves and goes back to.
    fetched = (home.packages,) if home.server else ()
    roots = (home.cache / "features", *fetched, home.checkpoints)
    return outputs + [entry for root in roots for entry in stored(root) if unused(entry)]


def _named(home: Home, keys: Container[str]) -> str:
    """The descriptions of all features that stay, as text; they name their views."""
    found = (p for p in home.steps.glob("*/*/features.json") if p.parent.name in keys)
    return "".join(p.read_text(encoding="utf-8") for p in found)
