"""Effects of a decision: registration, promotion, refusal, rollback.

Each is written to the ledger first, and then to MLflow's alias. The ledger is the truth: its last
promotion or rollback names the champion, and the alias follows. A crash between the two is mended
by the next call (`Promotion.reconcile`). MLflow has no compare-and-swap, so every change is made
under the ledger's one lock, after the ledger was read again. On one machine nothing here needs
MLflow where nothing changes.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from components.config.home import Home
from components.core.commands import concord
from components.core.errors import UserError, unknown_name
from components.core.files import read_json, write_json
from components.core.refs import digest_folder
from components.registry.gate import Decision
from components.registry.ledger import Ledger
from components.registry.ledger_entry import Entry, Kind
from components.registry.mlflow_store import Registry
from components.registry.outcome import Outcome, settled
from components.registry.versions import CHAMPION, RegisteredVersion, Versions, models, registered

_WAIT = 300.0  # seconds that one run waits for another's decision
GATE = "gate"
"""The actor of a decision that no person made."""


class ChampionChanged(UserError):
    """Another run or person changed the champion after the gate compared with it: decide again."""


class Promotion:
    """The versions of one model: registered, promoted, rolled back.

    Making one reads nothing; MLflow is imported where something changes.
    """

    def __init__(self, home: Home, model: str) -> None:
        self.model = model
        self._home = home
        self._ledger = Ledger(home.ledger)
        self._registry = Registry(home)

    def versions(self) -> Versions:
        """The registered versions as of the ledger's last entry."""
        return self._versions(self._ledger)

    def champion(self) -> RegisteredVersion | None:
        """The champion as of the ledger's last entry."""
        return self.versions().champion()

    def register(
        self,
        package: Path,
        *,
        package_digest: str,
        run: str,
        modalities: Mapping[str, str],
        time: str,
        actor: str = GATE,
        tags: Mapping[str, str] | None = None,
    ) -> RegisteredVersion:
        """Register a package as a version, once; see `Registry.register` for the arguments.

        Raises:
            UserError: the state folder cannot be written, or another run holds it too long.
        """
        with self._ledger.alone(_WAIT) as ledger:
            versions = self._versions(ledger).all()
            known = next((v for v in versions if v.package_digest == package_digest), None)
            if known and (self._home.server or known.package.is_dir()):
                return known
            number = self._registry.register(
                self.model, package, package_digest=package_digest, run=run, modalities=modalities,
                tags=tags,
            )  # fmt: skip
            if known:
                return known
            details: dict[str, object] = {"mlflow_run": run, "modalities": dict(modalities)}
            if not self._home.server:  # in a team the place differs from machine to machine
                details["package"] = self._stored(number)
            entry = Entry(
                time=time, model=self.model, kind="registration", version=number,
                package_digest=package_digest, actor=actor, details=details,
            )  # fmt: skip
            ledger.append(entry)
            return registered(self._home, entry)

    def settled(self, challenger: RegisteredVersion, evidence_digest: str) -> Outcome | None:
        """The outcome where nothing needs to be computed; None where the gate must decide."""
        return settled(self.versions(), challenger, evidence_digest)

    def apply(self, decision: Decision, challenger: RegisteredVersion, *, time: str) -> Outcome:
        """Write a gate's decision into the ledger and let the alias follow.

        The same evidence twice decides once. A package that a person rolled back is refused: only a
        person can promote it again.

        Raises:
            ChampionChanged: the champion is not the one that the gate compared with.
            UserError: the state folder cannot be written, or another run holds it too long.
        """
        with self._locked() as (ledger, versions):
            before = settled(versions, challenger, decision.evidence_digest)
            if before is not None:
                return before
            now = versions.champion()
            if (now.package_digest if now else None) != decision.evidence["champion"]:
                raise ChampionChanged(
                    f"the champion of {self.model!r} became "
                    f"{f'version {now.version}' if now else 'none'} while the gate compared with "
                    "another one; run again to decide against it"
                )
            verdict, reasons = decision.verdict, list(decision.reasons)
            rollback = versions.history.rollback_of(challenger.package_digest)
            if verdict == "promote" and rollback is not None:
                verdict, reasons = "keep", [_rolled_back(challenger, rollback), *reasons]
            details = {"verdict": verdict, "reasons": reasons, "evidence": decision.evidence}
            look = replace(
                _entry("look", challenger, time=time, actor=GATE, details=details),
                evidence_digest=decision.evidence_digest,
            )
            promoted = verdict == "promote"
            decided = replace(look, kind="promotion" if promoted else "refusal")
            after = self._append(ledger, versions, look, decided)
            return Outcome(
                verdict=verdict,
                reasons=reasons,
                champion=after.champion(),
                changed=promoted,
                recorded=True,
            )

    def promote(self, version: int, *, actor: str, reason: str, time: str) -> RegisteredVersion:
        """Make a registered version the champion on a person's decision; repeating changes nothing.

        Raises:
            UserError: no such model or version; the message lists the existing ones.
        """
        with self._locked() as (ledger, versions):
            self._check_known(versions)
            chosen, now = versions.numbered(version), versions.champion()
            if now is None or now.version != chosen.version:
                details = {"reason": reason, "from_version": now.version if now else None}
                entry = _entry("promotion", chosen, time=time, actor=actor, details=details)
                self._append(ledger, versions, entry)
            return chosen

    def rollback(self, *, actor: str, reason: str, time: str) -> RegisteredVersion:
        """Give the champion's place back to the version that had it before.

        The version that loses it is not promoted again by a gate; `promote` can.

        Raises:
            UserError: no champion, or none before it; the message says what to do.
        """
        with self._locked() as (ledger, versions):
            self._check_known(versions)
            succession = versions.history.succession()
            if not succession:
                raise UserError(no_champion(self.model))
            if len(succession) == 1:
                raise UserError(
                    f"{self.model!r} has no champion before version {succession[0].version} to go "
                    f"back to; promote another version with {_promote_by_hand(self.model)} "
                    f"(registered: {versions.listed()})"
                )
            lost, back = (versions.numbered(e.version) for e in succession[:-3:-1])
            details = {
                "reason": reason,
                "from_version": lost.version,
                "from_package_digest": lost.package_digest,
            }
            entry = _entry("rollback", back, time=time, actor=actor, details=details)
            self._append(ledger, versions, entry)
            return back

    def reconcile(self) -> bool:
        """Make MLflow's alias name the ledger's champion; return whether it had to be changed."""
        return self._follow(self.versions())

    def package_of(self, version: RegisteredVersion) -> Path:
        """The folder of a version's package, fetched from a team's registry if it is not here.

        It is compared with the ledger's digest each time: the list inside a package is no proof.

        Raises:
            UserError: the registry does not answer, or its package has another digest.
        """
        if self._home.server and not version.package.is_dir():
            return self._registry.fetch(self.model, version.version, version.package_digest)
        folder, wanted = version.package, version.package_digest
        if folder.is_dir() and (got := digest_folder(folder)) != wanted:
            raise UserError(
                f"the package of {self.model!r} version {version.version} in {folder} is not what "
                f"was registered: its digest is {got[:12]}, wanted {wanted[:12]}; delete the "
                "folder and run its configuration again, or use another version"
            )
        return folder

    @contextmanager
    def _locked(self) -> Iterator[tuple[Ledger, Versions]]:
        """Hold the one lock of decisions; yields the ledger to write to, and what it holds."""
        with self._ledger.alone(_WAIT) as ledger:
            versions = self._versions(ledger)
            self._follow(versions)
            yield ledger, versions

    def _versions(self, ledger: Ledger) -> Versions:
        return Versions(self._home, ledger.history(self.model))

    def _append(self, ledger: Ledger, versions: Versions, *entries: Entry) -> Versions:
        """Append entries, let the alias follow, and return the versions as of then."""
        history = versions.history.followed_by(ledger.append(*entries))
        after = replace(versions, history=history)
        self._follow(after)
        return after

    def _follow(self, versions: Versions) -> bool:
        """Make the alias name the champion, and return whether it had to be changed.

        The alias that was written last is noted beside the ledger, so that where nothing changed
        MLflow is not imported. A team's alias may have been written from another machine, so its
        server is asked.
        """
        champion = versions.champion()
        wanted = champion.version if champion else None
        noted = self._home.root / "aliases" / f"{self.model}.json"
        if not self._home.server and noted.is_file() and read_json(noted) == {CHAMPION: wanted}:
            return False
        now = self._registry.champion(self.model)
        if changed := (now.version if now else None) != wanted:
            self._registry.set_alias(self.model, CHAMPION, wanted)
        if not self._home.server and (champion is not None or changed):
            write_json(noted, {CHAMPION: wanted})
        return changed

    def _check_known(self, versions: Versions) -> None:
        if not versions.all():
            unknown = unknown_name("model", self.model, models(self._home))
            raise UserError(f"{unknown}; `concord run CONFIG` registers one")

    def _stored(self, number: int) -> str:
        """Where MLflow keeps a version's package, below the state folder."""
        versions = self._registry.versions(self.model)
        stored = next(v.package for v in versions if v.version == number)
        root = self._home.root
        if not stored.is_relative_to(root):
            raise UserError(
                f"the state folder was moved: MLflow keeps artifacts of {self.model!r} at "
                f"{stored.parents[4]}, not below {root}; move it back, or set CONCORD_HOME to a "
                "new folder"
            )
        return stored.relative_to(root).as_posix()


def no_champion(model: str) -> str:
    """The message where a model has no champion."""
    return (
        f"{model!r} has no champion to serve: run `concord run CONFIG` until the gate "
        f"promotes a version, or choose one with {_promote_by_hand(model)}"
    )


def _promote_by_hand(model: str) -> str:
    return f"`{concord('promote', 'VERSION', model=model)}`"


def _rolled_back(challenger: RegisteredVersion, rollback: Entry) -> str:
    return (
        f"version {challenger.version} was rolled back by {rollback.actor} on {rollback.time} "
        f"({rollback.details['reason']}); only a person can promote it again: "
        f"`{concord('promote', challenger.version, model=challenger.model)}`"
    )


def _entry(kind: Kind, version: RegisteredVersion, **rest: Any) -> Entry:  # noqa: ANN401
    return Entry(
        model=version.model,
        kind=kind,
        version=version.version,
        package_digest=version.package_digest,
        **rest,
    )
