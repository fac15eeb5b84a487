"""MLflow's alias ``champion`` follows the ledger, and MLflow's versions are brought up to it.

The alias that was written last is noted beside the ledger, with the state of MLflow's database, so
that where nothing changed MLflow is not imported. A team's alias may have been written from another
machine, so its server is asked.
"""

from collections.abc import Sequence
from pathlib import Path

from components.config.home import Home
from components.core.files import read_json, write_json
from components.core.progress import Say
from components.registry.ledger_entry import Entry
from components.registry.mlflow_store import Known, Registry, Version
from components.registry.versions import CHAMPION, RegisteredVersion, Versions, registered


def follow(home: Home, registry: Registry, versions: Versions, say: Say) -> bool:
    """Make the alias name the champion's package, and return whether it had to be changed.

    Args:
        home: the state folder.
        registry: MLflow.
        versions: the ledger's versions of the model.
        say: receives a message for each difference found in MLflow.
    """
    champion, model = versions.champion(), versions.history.model
    note, wanted = _Note(home, registry, model), champion.package_digest if champion else None
    if note.holds(wanted):
        return False
    now = registry.champion(model)
    if changed := (now.package_digest if now else None) != wanted:
        target = None if champion is None else _version(home, registry, versions, champion, say)
        if now is not None and note.alias == wanted:
            say(
                f"MLflow's alias {CHAMPION!r} of {model!r} named version {now.version}, which the "
                f"ledger does not; it follows the ledger again"
            )
        if now is not None or target is not None:
            registry.set_alias(model, CHAMPION, target)
    note.write(wanted)
    return changed


def fill(home: Home, registry: Registry, versions: Versions, say: Say) -> None:
    """Register in MLflow again what the ledger names and MLflow has lost; see `Registry.fill`."""
    entries = versions.history.registrations()
    lost = registry.fill(versions.history.model, _known(home, entries)) if entries else []
    if lost:
        numbers = ", ".join(map(str, lost))
        say(
            f"MLflow at {registry.store.place} does not have version {numbers} of "
            f"{versions.history.model!r}, which the ledger names: its database or the model there "
            "was deleted, or it is another server; what is still here was registered there again, "
            "and new versions get numbers above these"
        )


def _version(
    home: Home, registry: Registry, versions: Versions, champion: RegisteredVersion, say: Say
) -> int | None:
    """The champion's number in MLflow, where it is registered again if missing."""
    if (found := _found(registry, champion)) is None:
        fill(home, registry, versions, say)
        found = _found(registry, champion)
    if found is not None:
        return found.version
    (known,) = _known(
        home, [e for e in versions.history.registrations() if _is(e, champion)]
    ).values()
    if known.package is None:
        say(
            f"MLflow does not have version {champion.version} of {champion.model!r}, the champion, "
            f"and its package is not at {champion.package}: MLflow's alias names no version"
        )
        return None
    number = registry.register(
        champion.model, known.package, package_digest=champion.package_digest, run=None,
        modalities=known.modalities,
    )  # fmt: skip
    say(
        f"MLflow no longer has version {champion.version} of {champion.model!r}, the champion: its "
        f"package is registered there again as version {number}"
    )
    return number


def _found(registry: Registry, champion: RegisteredVersion) -> Version | None:
    """The champion's version in MLflow, by its digest; of several the one with its number."""
    found = [
        v for v in registry.versions(champion.model) if v.package_digest == champion.package_digest
    ]
    return min(found, key=lambda v: v.version != champion.version, default=None)


def _is(entry: Entry, version: RegisteredVersion) -> bool:
    return entry.package_digest == version.package_digest


def _known(home: Home, entries: Sequence[Entry]) -> dict[int, Known]:
    found = {}
    for entry in entries:
        version = registered(home, entry)
        folder = version.package if version.package.is_dir() else None
        found[version.version] = Known(
            package_digest=version.package_digest,
            package=folder,
            modalities=entry.details.get("modalities", {}),
        )
    return found


class _Note:
    """What the alias was set to last, and the state of MLflow's database just after."""

    def __init__(self, home: Home, registry: Registry, model: str) -> None:
        self._place = home.root / "aliases" / f"{model}.json"
        self._database = None if registry.store.server else registry.store.database
        known = read_json(self._place) if self._database and self._place.is_file() else {}
        self.alias, self._state = known.get("package_digest", ""), known.get("database")

    def holds(self, wanted: str | None) -> bool:
        """Whether the alias is as wanted, and nobody has written to MLflow's database since."""
        if self._database is None:
            return False
        if wanted is None and not self._database.is_file():
            return True
        return self.alias == wanted and self._state == _state(self._database)

    def write(self, wanted: str | None) -> None:
        if self._database is not None:
            state = _state(self._database)
            write_json(self._place, {"package_digest": wanted, "database": state})


def _state(database: Path) -> list[int] | None:
    """What changes with every write to a file; None where there is none."""
    if not database.is_file():
        return None
    about = database.stat()
    return [about.st_ino, about.st_size, about.st_mtime_ns]
