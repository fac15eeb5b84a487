"""What ``concord runs clean`` removes from the state folder: content that only old runs needed."""

from collections.abc import Sequence
from datetime import datetime

from components.config.home import Home
from components.core.content import Stored, free, stored
from flows.runs.records import RunRecord
from flows.steps.store import StepStore


def free_except(home: Home, kept: Sequence[RunRecord]) -> int:
    """Remove content that the kept runs do not need; returns the bytes freed.

    Step outputs stay if a kept run names their key; everything else, which can be made or fetched
    again, if it was written since the first kept run began or a kept output names it.
    """
    keys = {step["key"] for record in kept for step in record.steps}
    freed = StepStore(home.steps).remove_except(keys)
    since = min((datetime.fromisoformat(r.started).timestamp() for r in kept), default=float("inf"))
    named = _named(home)

    def unused(entry: Stored) -> bool:
        # A cached view is named by its digest, which features record, and that of its code.
        return entry.used < since and entry.key.partition("-")[0] not in named

    # A team's packages can be fetched again; one machine's are what it serves and goes back to.
    fetched = (home.packages,) if home.server else ()
    for root in (home.cache / "features", *fetched, home.checkpoints):
        freed += free(entry for entry in stored(root) if unused(entry))
    return freed


def _named(home: Home) -> str:
    """The descriptions of all features that are still stored, as text; they name their views."""
    return "".join(p.read_text(encoding="utf-8") for p in home.steps.glob("*/*/features.json"))
