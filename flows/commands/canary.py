"""``concord canary``: a version is tried beside the champion, on a share of the traffic."""

from typing import Any

from components.config.home import Home, find
from components.core.errors import UsageError
from components.registry.promotion import Promotion
from flows.commands.answer import Answer, table
from flows.commands.registry import only_model
from serving.store import beside
from serving.store.beside import Chosen, Role
from serving.store.database import Database

_NEXT = "concord promote VERSION --reason TEXT"


def canary(
    model: str | None, version: str | None, *, share: float, shadow: bool, off: bool
) -> Answer:
    """Start a trial of a version beside the champion, end it, or print its state."""
    home = find()
    name = only_model(home, model)
    role: Role = "shadow" if shadow else "canary"
    if off and version is not None:
        raise UsageError("got a version and --off; give one of them")
    with Database(home.store) as database:
        if off:
            for ended in (role,) if shadow else beside.ROLES:
                beside.choose(database, name, ended, None)
        elif version is not None:
            beside.choose(database, name, role, _chosen(home, name, version, share))
        return _told(home, database, name)


def _chosen(home: Home, model: str, version: str, share: float) -> Chosen:
    promotion = Promotion(home, model)
    found = promotion.versions().named(version)
    promotion.package_of(found)  # the service does not fetch it
    champion = promotion.champion()
    if champion is not None and champion.package_digest == found.package_digest:
        raise UsageError(f"version {found.version} is the champion; try another version beside it")
    return Chosen(version=found.version, package_digest=found.package_digest, share=share)


def _told(home: Home, database: Database, model: str) -> Answer:
    """What is tried, and how a shadow's answers compare."""
    tried = beside.read(database, model)
    champion = Promotion(home, model).champion()
    value: dict[str, Any] = {
        "model": model,
        "champion": champion.version if champion else None,
        **{role: vars(chosen) for role, chosen in tried.items()},
    }
    rows = [[role, str(c.version), f"{c.share:.1%}"] for role, c in sorted(tried.items())]
    text = table(rows, ["role", "version", "share"]) if rows else "no version is on trial"
    if (shadow := tried.get("shadow")) is not None:
        found = beside.compared(database, shadow.package_digest)
        value["compared"] = vars(found)
        text += f"\n\nthe shadow gave the same answer to {found.same:,} of {found.asked:,} requests"
    return Answer(value=value, text=text, then=_NEXT if tried else "concord canary VERSION")
