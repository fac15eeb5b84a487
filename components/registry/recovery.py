"""An empty ledger beside an MLflow that knows the model: the ledger was lost, or is a new one."""

from typing import Any

from components.config.home import Home
from components.core.errors import UserError
from components.core.progress import Say
from components.registry.ledger import Ledger
from components.registry.ledger_entry import Entry, Kind
from components.registry.mlflow_store import Registry, Version
from components.registry.versions import Versions

RECOVERED = "recovered from MLflow"
"""The actor of entries that no person and no gate made."""


def adopted(
    home: Home, registry: Registry, ledger: Ledger, versions: Versions, time: str, say: Say
) -> Versions:
    """Write into an empty ledger what MLflow knows, if MLflow has a champion.

    A new version then has to beat that champion. Packages that are not what they were registered as
    are left out.

    Args:
        home: the state folder.
        registry: MLflow.
        ledger: held alone by the caller.
        versions: those of the ledger: none.
        time: of the entries.
        say: receives what was done.
    """
    model = versions.history.model
    champion = registry.champion(model)
    if champion is None or not champion.package_digest:
        return versions

    def entry(kind: Kind, version: Version, details: dict[str, Any]) -> Entry:
        return Entry(
            time=time, model=model, kind=kind, version=version.version,
            package_digest=version.package_digest, actor=RECOVERED, details=details,
        )  # fmt: skip

    entries = []
    for version in registry.versions(model):
        try:
            there = version.package_digest and registry.fetch(model, version.package_digest)
        except UserError as error:
            say(f"version {version.version} of {model!r} is left out of the ledger: {error}")
            there = None
        if there:
            details: dict[str, Any] = {"mlflow_run": version.run, "modalities": {}}
            entries.append(entry("registration", version, details))
    if any(e.package_digest == champion.package_digest for e in entries):
        reason = "the ledger was empty, and MLflow's alias names this version"
        entries.append(entry("promotion", champion, {"reason": reason}))
        say(
            f"the ledger of {home.root} has no entry for {model!r}, but MLflow at "
            f"{registry.store.place} has it: its versions were written into the ledger, and "
            f"version {champion.version}, its champion, is the one that a new version must beat"
        )
    return Versions(home, versions.history.followed_by(ledger.append(*entries)))
