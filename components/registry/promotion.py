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
from components.core.progress import Say, unheard
from components.core.refs import digest_folder
from components.registry import alias, packages, recovery
from components.registry.gate import Decision
from components.registry.ledger import Ledger
from components.registry.ledger_entry import Entry, Kind
from components.registry.mlflow_store import Registry
from components.registry.outcome import Outcome, settled
from components.registry.versions import RegisteredVersion, Versions, models, registered

_WAIT = 300.0  # seconds that one run waits for another's decision
GATE = "gate"
"""The actor of a decision that no person made."""


class ChampionChanged(UserError):
    """Another run or person changed the champion after the gate compared with it: decide again."""


class Promotion:
    """The versions of one model: registered, promoted, rolled back.

    Making one reads nothing; MLflow is imported where something changes. Which package is meant is
    always said by its digest: MLflow's numbers begin again where its database was lost.

    Args:
        home: the state folder.
        model: the registered name.
        say: receives what was found to be different in MLflow, and what was done about it.
    """

    def __init__(self, home: Home, model: str, say: Say = unheard) -> None:
        self.model = model
        self._home, self._say = home, say
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
        run: str | None,
        modalities: Mapping[str, str],
        time: str,
        actor: str = GATE,
        tags: Mapping[str, str] | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> RegisteredVersion:
        """Register a package as a version, once; see `Registry.register` for the arguments.

        ``details`` are written into the ledger too: a ``reason`` says where the version comes from
        if no run made it.

        Raises:
            UserError: the state folder cannot be written, or another run holds it too long.
        """
        with self._ledger.alone(_WAIT) as ledger:
            packages.keep(self._home, package, package_digest)
            versions = self._versions(ledger)
            if not versions.history.entries:
                versions = recovery.adopted(
                    self._home, self._registry, ledger, versions, time, self._say
                )
            if known := versions.of(package_digest):
                return known
            alias.fill(self._home, self._registry, versions, self._say)
            number = self._registry.register(
                self.model, package, package_digest=package_digest, run=run, modalities=modalities,
                tags=tags, taken={v.version: v.package_digest for v in versions.all()},
            )  # fmt: skip
            entry = Entry(
                time=time, model=self.model, kind="registration", version=number,
                package_digest=package_digest, actor=actor,
                details={**(details or {}), "mlflow_run": run, "modalities": dict(modalities)},
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

    def promote(
        self, version: int | str, *, actor: str, reason: str, time: str
    ) -> RegisteredVersion:
        """Make a registered version the champion on a person's decision; repeating changes nothing.

        Args:
            version: its number, or the first characters of its package's digest.
            actor: who decides.
            reason: why.
            time: UTC, ISO 8601.

        Raises:
            UserError: no such model or version; the message lists the existing ones.
        """
        with self._locked() as (ledger, versions):
            self._check_known(versions)
            chosen, now = versions.named(str(version)), versions.champion()
            self._check_package(chosen)
            if now is None or now.package_digest != chosen.package_digest:
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
            lost, back = (versions.of(e.package_digest) for e in succession[:-3:-1])
            assert lost is not None
            assert back is not None
            self._check_package(back)
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
        """The folder of a version's package, verified; fetched from MLflow if it is not here.

        It is compared with the ledger's digest each time: the list inside a package proves nothing.

        Raises:
            UserError: it is nowhere, or not what was registered; the message says what to do.
        """
        kept = packages.place(self._home, version.package_digest)
        made = self._home.steps.glob("package*/*/package")  # by a run that is still stored
        for folder in (version.package, kept, *made):
            if packages.is_intact(folder, version.package_digest):
                return folder
        fetched = self._registry.fetch(self.model, version.package_digest)
        if fetched is not None:
            return fetched
        wanted, found = version.package_digest[:12], "does not exist"
        if version.package.is_dir():
            got = digest_folder(version.package)[:12]
            found = f"is not what was registered (its digest is {got}, wanted {wanted})"
        others = [v.version for v in self.versions().all() if v != version and v.package.is_dir()]
        there = (
            ", ".join(map(str, others))
            or "none; another `name` in the configuration starts a new model"
        )
        raise UserError(
            f"the package of {self.model!r} version {version.version} (digest {wanted}) at "
            f"{version.package} {found}, and MLflow at "
            f"{self._registry.store.place} does not have it; restore it from a backup, or choose "
            f"another version with {_promote_by_hand(self.model)} (with a package here: {there})"
        )

    def ready(self) -> None:
        """Check what a decision will need, before hours of work: the champion's package, MLflow.

        Raises:
            UserError: the champion's package is nowhere, or the server does not answer.
        """
        if (champion := self.champion()) is not None:
            self.package_of(champion)
        self._registry.check()

    def _check_package(self, version: RegisteredVersion) -> None:
        """Refuse a version that cannot be served; a team's may be on another machine."""
        if not self._home.server and not version.package.is_dir():
            self.package_of(version)

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
        return alias.follow(self._home, self._registry, versions, self._say)

    def _check_known(self, versions: Versions) -> None:
        if not versions.all():
            unknown = unknown_name("model", self.model, models(self._home))
            raise UserError(f"{unknown}; `concord run CONFIG` registers one")


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
