"""Follows the registry: what the ledger names as champion is loaded beside, and then swapped in.

The serving unit keeps answering until the next one is verified, loaded, warm and tried, so that no
request is lost. A version that cannot be served is reported and left alone; the one that serves
stays. It is tried again where the machine and not the version may be at fault.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from components.config.home import Home
from components.core.errors import MachineError
from components.core.memory import let_go
from components.exchange.errors import ExchangeError
from components.registry import packages
from components.registry.history import History
from components.registry.ledger import Ledger
from components.registry.versions import RegisteredVersion, Versions
from serving.live.live import Beside, Live
from serving.live.unit import Unit
from serving.store import beside
from serving.store.database import Database

POLL_SECONDS = 2.0
"""Time between two looks at the ledger."""
_log = logging.getLogger("concord.serving")
Load = Callable[[Path, int | None, str | None], Unit]


class Missing(MachineError):
    """A version whose package is not here yet."""


class Follower:
    """Swaps in each new champion of a model.

    Args:
        home: the state folder, with the ledger.
        store: which versions are tried beside the champion.
        model: the registered name.
        live: what serves.
        load: makes the unit of a package, a version and its digest.
        poll_seconds: time between two looks.
    """

    def __init__(
        self,
        home: Home,
        store: Database,
        model: str,
        live: Live,
        load: Load,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._home, self._model, self._live, self._load = home, model, live, load
        self._store = store
        self._ledger, self._poll = Ledger(home.ledger), poll_seconds
        self._read, self._versions = -1, Versions(home, History(model, []))
        self._refused: str | None = None
        self._failed: set[str] = set()
        self._stop = threading.Event()

    def start(self) -> None:
        """Look at the ledger from time to time, in a thread."""
        threading.Thread(target=self._run, name="concord-follow", daemon=True).start()

    def stop(self) -> None:
        """End it after the look that it is at."""
        self._stop.set()

    def look(self) -> None:
        """Serve what the ledger and the store name, where it is something else."""
        self._champion()
        wanted = beside.read(self._store, self._model)
        self._live.canary = self._beside("canary", wanted.get("canary"), self._live.canary)
        self._live.shadow = self._beside("shadow", wanted.get("shadow"), self._live.shadow)

    def _known(self) -> Versions:
        """What the ledger says; its entries are read again only after one was added."""
        last = self._ledger.last(self._model)
        if last != self._read:
            self._versions = Versions(self._home, self._ledger.history(self._model))
            self._read = last
        return self._versions

    def _beside(
        self, role: beside.Role, chosen: beside.Chosen | None, now: Beside | None
    ) -> Beside | None:
        """A version beside the champion, loaded if it is another one."""
        if chosen is None:
            return None
        if now is not None and now.unit.ref.package_digest == chosen.package_digest:
            return replace(now, share=chosen.share)
        version = self._versions.of(chosen.package_digest)
        if version is None or version.package_digest in self._failed:
            return None
        try:
            made = Beside(unit=self._made(version), share=chosen.share)
        except Exception as error:  # the champion stays
            self._failed.add(version.package_digest)
            self._report(version, error)
            return None
        _log.warning("%s version %s as %s, share %.1f%%", self._model, version.version, role,
                     100 * chosen.share)  # fmt: skip
        return made

    def _made(self, version: RegisteredVersion) -> Unit:
        """The unit of a version; one that is tried already is taken over."""
        for tried in (self._live.canary, self._live.shadow):
            if tried is not None and tried.unit.ref.package_digest == version.package_digest:
                return tried.unit
        return self._load(package_of(self._home, version), version.version, version.package_digest)

    def _champion(self) -> None:
        """Load and swap in the champion, if it is another one."""
        version = self._known().champion()
        serving = self._live.current
        if version is None or version.package_digest == self._refused:
            return
        if serving is not None and serving.ref.package_digest == version.package_digest:
            self._refused, self._live.refused = None, None
            return
        try:
            unit = self._made(version)
        except (MachineError, ExchangeError) as error:
            self._report(version, error)
            return
        except Exception as error:  # of any kind: the version that serves stays
            self._refused = version.package_digest
            self._report(version, error)
            return
        self._refused, self._live.refused = None, None
        self._live.swap_from_thread(unit)
        del serving, unit
        let_go()
        _log.warning("serving %s version %s", self._model, version.version)

    def _report(self, version: RegisteredVersion, error: Exception) -> None:
        if self._live.refused != version.version:
            self._live.refused = version.version
            _log.error("version %s cannot be served: %s", version.version, error, exc_info=error)

    def _run(self) -> None:
        while not self._stop.wait(self._poll):
            try:
                self.look()
            except Exception:  # the ledger is away for a while
                _log.exception("cannot read the ledger; the version that serves stays")


def champion_of(home: Home, model: str) -> tuple[RegisteredVersion, Path]:
    """The champion of a model, and the folder of its package.

    Raises:
        Missing: there is none, or its package is not here.
    """
    version = Versions(home, Ledger(home.ledger).history(model)).champion()
    if version is None:
        raise Missing(f"no version of {model!r} is champion; `concord promote VERSION` makes one")
    return version, package_of(home, version)


def package_of(home: Home, version: RegisteredVersion) -> Path:
    """The folder of a version's package.

    Raises:
        Missing: it is not here, nor where services find packages.
    """
    for folder in (packages.place(home, version.package_digest), version.package):
        if folder.is_dir():
            return folder
    if (found := packages.fetched(home, version.package_digest)) is not None:
        return found
    raise Missing(
        f"the package of version {version.version} is not at {version.package}; copy it there, or "
        f"name in {packages.SHARED} where runs put packages for services"
    )
