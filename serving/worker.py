"""The service of one process: its front, the unit it begins with, and what it follows."""

import logging
import os
from functools import cached_property, partial
from pathlib import Path

import yaml

from components.config.home import served
from components.core.errors import MachineError, UserError
from components.core.memory import growing
from components.prediction.format import check_package
from serving.access import HOST, access_of
from serving.defaults import DIGEST, FOLLOW, PACKAGE, VERSION
from serving.http import malformed
from serving.http.app import build
from serving.http.front import Front
from serving.http.tokens import Guard
from serving.interface.limits import Limits
from serving.live.answers import Answers
from serving.live.follow import Follower
from serving.live.live import Live
from serving.live.records import Records
from serving.live.shared import Shared
from serving.live.unit import Unit
from serving.store import beside
from serving.store.database import Database
from serving.store.journal import RecordsJournal
from serving.store.tokens import Tokens

_log = logging.getLogger("concord.serving")


class Serving:
    """What a process serves; nothing is read before it is asked for.

    Args:
        own: folder of the package in the Bento.
        assets: folder of the OpenAPI page's own scripts.
    """

    def __init__(self, *, own: Path, assets: Path | None = None) -> None:
        self._own, self._assets = own, assets
        self._kept: dict[str, Records] = {}
        self.live = Live()

    @cached_property
    def front(self) -> Front:
        """The ASGI application."""
        guard = Guard(access_of(os.environ.get(HOST, "")), Tokens(self._store).valid)
        guard.start()
        return Front(self.live, self._shared, guard, record=partial(beside.record, self._store))

    def begin(self) -> None:
        """Load the first unit, and follow the champion from then on where that is wanted.

        Raises:
            UserError: no package, a damaged one, or one that answers golden requests wrongly.
        """
        malformed.refuse_in_words()
        given = os.environ.get(VERSION, "")
        unit = self.load(self._package(), int(given) if given else None, os.environ.get(DIGEST))
        self.live.put(unit)
        self.front  # noqa: B018 - it reads the tokens before the first request
        if model := os.environ.get(FOLLOW):
            Follower(served(), self._store, model, self.live, self.load).start()

    def end(self) -> None:
        """Write what waits to be written; for the end of the process."""
        if self._shared.kept is not None:
            self._shared.kept.close()

    def load(self, package: Path, version: int | None, digest: str | None) -> Unit:
        """Load a package beside what serves; verify it, warm it and try it.

        Raises:
            UserError: it is damaged, not the one of the digest, or answers wrongly.
        """
        with growing():
            return self._loaded(package, version, digest)

    def _loaded(self, package: Path, version: int | None, digest: str | None) -> Unit:
        # Before any of its code is imported; its other files are read when it is loaded.
        check_package(package, verify=False, wanted=digest or None)
        limits = Limits.read(package)
        name = yaml.safe_load((package / "config.yaml").read_text(encoding="utf-8"))["name"]
        answers = Answers.load(
            package,
            limits=limits,
            name=name,
            version=version,
            digest=digest or None,
            records=self._records(name),
        )
        unit = Unit(answers, self._shared, partial(build, assets=self._assets))
        unit.check()
        return unit

    def _records(self, model: str) -> Records | None:
        """What users write of a model; None where this machine has no place to keep it."""
        if model in self._kept:
            return self._kept[model]
        try:
            journal = RecordsJournal(self._store, model)
            journal.last()
        except MachineError:
            raise  # a team's database, which will be there again
        except UserError as error:
            _log.warning("records cannot be written: %s", error)
            return None
        self._kept[model] = Records(journal)
        self._kept[model].start()
        return self._kept[model]

    @cached_property
    def _store(self) -> Database:
        return Database(served().store)

    @cached_property
    def _shared(self) -> Shared:
        shared = Shared.of(Limits.read(self._package()).serving, self._store)
        if shared.kept is not None:
            shared.kept.start()
        return shared

    def _package(self) -> Path:
        folder = Path(os.environ.get(PACKAGE) or self._own)
        if not (folder / "model.json").is_file():
            raise UserError(
                f"no model package in {folder}: serve a Bento that a run built, or set {PACKAGE}"
            )
        return folder
