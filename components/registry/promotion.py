"""Effects of a decision: registration, promotion, refusal, rollback; in the ledger first, then in MLflow's alias.

The ledger is the truth: its last promotion or rollback says who is champion, and the alias follows. A crash between the
two is mended by the next call (`reconcile`). MLflow has no compare-and-swap, so every change is made under the ledger's one
lock, after the champion was read again. On one machine nothing here needs MLflow where nothing changes.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

from components.config.home import Home
from components.core.errors import UserError, unknown_name
from components.core.files import read_json, write_json
from components.registry.gate import Decision, Verdict
from components.registry.ledger import Ledger
from components.registry.ledger_entry import Entry
from components.registry.mlflow_store import CHAMPION, Registry, fetched

_WAIT = 300.0  # seconds that one run waits for another's decision
GATE = "gate"
"""The actor of what no person decided."""


class ChampionChanged(UserError):
    """Another run or person changed the champion after the gate compared with it: decide again."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A registered version as the ledger knows it."""

    model: str
    version: int
    package_digest: str
    package: Path
    """Folder of its model package; in a team it is there once `package_of` has fetched it."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a decision came to."""

    verdict: Verdict
    reasons: list[str] = field(default_factory=list)
    champion: Standing | None
    changed: bool
    """Whether the champion is another one than before."""
    recorded: bool
    """Whether the ledger has new entries; not so where the same evidence had been decided before."""


def champion(home: Home, model: str) -> Standing | None:
    """The champion after the ledger's last word; reads the ledger and imports nothing heavy."""
    ledger = Ledger(home.ledger)
    standing = ledger.succession(model)
    return _standing(home, ledger, model, standing[-1].version) if standing else None


def versions(home: Home, model: str) -> list[Standing]:
    """All registered versions of a model, oldest first."""
    return [_of(home, entry) for entry in Ledger(home.ledger).entries(model, "registration")]


def models(home: Home) -> list[str]:
    """Names of all models that have a registered version."""
    return sorted({entry.model for entry in Ledger(home.ledger).entries(kind="registration")})


def register(
    home: Home,
    model: str,
    package: Path,
    *,
    package_digest: str,
    run: str,
    modalities: Mapping[str, str],
    time: str,
    actor: str = GATE,
    tags: Mapping[str, str] | None = None,
) -> Standing:
    """Register a package as a version, once; see `Registry.register` for the arguments.

    Raises:
        UserError: the state folder cannot be written, or another run holds it too long.
    """
    with _locked(home) as ledger:
        known = [
            _of(home, e)
            for e in ledger.entries(model, "registration")
            if e.package_digest == package_digest
        ]
        if known and (home.server or known[0].package.is_dir()):
            return known[0]
        registry = Registry(home)
        number = registry.register(
            model, package, package_digest=package_digest, run=run, modalities=modalities, tags=tags
        )
        if known:
            return known[0]
        details: dict[str, object] = {"mlflow_run": run, "modalities": dict(modalities)}
        if not home.server:  # where a team's package lies differs from machine to machine
            details["package"] = _stored(home, registry, model, number)
        (entry,) = ledger.append(
            Entry(
                time=time, model=model, kind="registration", version=number, package_digest=package_digest, actor=actor,
                details=details,
            )
        )  # fmt: skip
        return _of(home, entry)


def settled(home: Home, model: str, challenger: Standing, evidence_digest: str) -> Outcome | None:
    """What was decided on this evidence before, told without computing anything; ``None`` where the gate must decide."""
    now = champion(home, model)
    if now is not None and now.package_digest == challenger.package_digest:
        return _told(
            "keep", [f"version {now.version} is the champion already: nothing to decide"], now
        )
    ledger = Ledger(home.ledger)
    earlier = ledger.decided(model, evidence_digest)
    if earlier is None:
        return None
    if earlier.kind == "refusal":
        verdict: Verdict = earlier.details["verdict"]
        return _told(
            verdict,
            [
                *earlier.details["reasons"],
                f"decided on {earlier.time} (ledger entry {earlier.seq})",
            ],
            now,
        )
    if challenger.package_digest in ledger.rolled_back(model):
        return None
    reason = f"promoted on this evidence on {earlier.time} (ledger entry {earlier.seq}); another version was chosen since"
    return _told("keep", [reason], now)


def apply(
    home: Home, model: str, decision: Decision, challenger: Standing, *, time: str
) -> Outcome:
    """Write a gate's decision into the ledger and let the alias follow.

    The same evidence twice decides once. A package that a person rolled back is refused: only a person can promote it again.

    Raises:
        ChampionChanged: the champion is not the one that the gate compared with.
        UserError: the state folder cannot be written, or another run holds it too long.
    """
    with _locked(home) as ledger:
        reconcile(home, model)
        if (before := settled(home, model, challenger, decision.evidence_digest)) is not None:
            return before
        now = champion(home, model)
        if (now.package_digest if now else None) != decision.evidence["champion"]:
            raise ChampionChanged(
                f"the champion of {model!r} became {f'version {now.version}' if now else 'none'} while the gate compared with "
                "another one; run again to decide against it"
            )
        verdict, reasons = decision.verdict, list(decision.reasons)
        if verdict == "promote" and challenger.package_digest in ledger.rolled_back(model):
            verdict, reasons = "keep", [_rolled_back(ledger, challenger), *reasons]
        details = {"verdict": verdict, "reasons": reasons, "evidence": decision.evidence}
        look = Entry(
            time=time, model=model, kind="look", version=challenger.version, package_digest=challenger.package_digest,
            evidence_digest=decision.evidence_digest, actor=GATE, details=details,
        )  # fmt: skip
        ledger.append(look, replace(look, kind="promotion" if verdict == "promote" else "refusal"))
        reconcile(home, model)
        return Outcome(
            verdict=verdict,
            reasons=reasons,
            champion=champion(home, model),
            changed=verdict == "promote",
            recorded=True,
        )


def promote(
    home: Home, model: str, version: int, *, actor: str, reason: str, time: str
) -> Standing:
    """Make a registered version the champion because a person says so; repeating it changes nothing.

    Raises:
        UserError: no such model or version; the message lists what there is.
    """
    with _locked(home) as ledger:
        reconcile(home, model)
        _known(home, model)
        chosen = _standing(home, ledger, model, version)
        now = champion(home, model)
        if now is None or now.version != chosen.version:
            ledger.append(
                Entry(
                    time=time, model=model, kind="promotion", version=chosen.version, package_digest=chosen.package_digest,
                    actor=actor, details={"reason": reason, "from_version": now.version if now else None},
                )
            )  # fmt: skip
            reconcile(home, model)
        return chosen


def rollback(home: Home, model: str, *, actor: str, reason: str, time: str) -> Standing:
    """Give the champion's place back to the version that had it before.

    The version that loses it is not promoted again by a gate; `promote` can.

    Raises:
        UserError: no champion, or none before it; the message says what to do.
    """
    with _locked(home) as ledger:
        reconcile(home, model)
        _known(home, model)
        succession = ledger.succession(model)
        if not succession:
            raise UserError(no_champion(model))
        if len(succession) == 1:
            raise UserError(
                f"{model!r} has no champion before version {succession[0].version} to go back to; "
                f"promote another version with `concord promote {model} VERSION` "
                f"(registered: {_listed(versions(home, model))})"
            )
        lost, back = succession[-1], succession[-2]
        details = {
            "reason": reason,
            "from_version": lost.version,
            "from_package_digest": lost.package_digest,
        }
        ledger.append(
            Entry(
                time=time, model=model, kind="rollback", version=back.version, package_digest=back.package_digest,
                actor=actor, details=details,
            )
        )  # fmt: skip
        reconcile(home, model)
        assert back.version is not None
        return _standing(home, ledger, model, back.version)


def reconcile(home: Home, model: str) -> bool:
    """Let MLflow's alias say what the ledger says, and return whether it had to be changed.

    The alias that was written last is noted beside the ledger, so that where nothing changed MLflow is not imported. A team's
    alias may have been written from another machine, so its server is asked.
    """
    standing = champion(home, model)
    wanted = standing.version if standing else None
    noted = home.root / "aliases" / f"{model}.json"
    if not home.server and noted.is_file() and read_json(noted) == {CHAMPION: wanted}:
        return False
    registry = Registry(home)
    now = registry.champion(model)
    if changed := (now.version if now else None) != wanted:
        registry.set_alias(model, CHAMPION, wanted)
    if not home.server and (standing is not None or changed):
        write_json(noted, {CHAMPION: wanted})
    return changed


def package_of(home: Home, standing: Standing) -> Path:
    """The folder of a version's package, fetched from a team's registry where it is not here yet.

    Raises:
        UserError: the registry does not answer, or gives another package than was registered.
    """
    if home.server and not standing.package.is_dir():
        return Registry(home).fetch(standing.model, standing.version, standing.package_digest)
    return standing.package


def no_champion(model: str) -> str:
    """What to say where nothing can be served."""
    return (
        f"{model!r} has no champion to serve: run `concord run CONFIG` until the gate promotes a version, "
        f"or choose one with `concord promote {model} VERSION`"
    )


def _known(home: Home, model: str) -> None:
    if not versions(home, model):
        message = (
            f"{unknown_name('model', model, models(home))}; `concord run CONFIG` registers one"
        )
        raise UserError(message)


def _standing(home: Home, ledger: Ledger, model: str, version: int | None) -> Standing:
    entries = ledger.entries(model, "registration")
    for entry in reversed(entries):
        if entry.version == version:
            return _of(home, entry)
    raise UserError(
        f"{model!r} has no version {version}; registered: {_listed([_of(home, e) for e in entries])}"
    )


def _of(home: Home, entry: Entry) -> Standing:
    assert entry.version is not None
    assert entry.package_digest is not None
    stored = entry.details.get("package")
    package = home.root / stored if stored else fetched(home, entry.package_digest)
    return Standing(
        model=entry.model,
        version=entry.version,
        package_digest=entry.package_digest,
        package=package,
    )


def _stored(home: Home, registry: Registry, model: str, number: int) -> str:
    stored = next(v.package for v in registry.versions(model) if v.version == number)
    if not stored.is_relative_to(home.root):
        raise UserError(
            f"the state folder was moved: MLflow keeps artifacts of {model!r} at {stored.parents[4]}, "
            f"not below {home.root}; move it back, or set CONCORD_HOME to a new folder"
        )
    return stored.relative_to(home.root).as_posix()


def _listed(standings: list[Standing]) -> str:
    return ", ".join(str(v) for v in sorted({s.version for s in standings})) or "none"


def _rolled_back(ledger: Ledger, challenger: Standing) -> str:
    entry = [
        e
        for e in ledger.entries(challenger.model, "rollback")
        if e.details["from_package_digest"] == challenger.package_digest
    ][-1]
    return (
        f"version {challenger.version} was rolled back by {entry.actor} on {entry.time} ({entry.details['reason']}); "
        f"only a person can promote it again: `concord promote {challenger.model} {challenger.version}`"
    )


def _told(verdict: Verdict, reasons: list[str], now: Standing | None) -> Outcome:
    return Outcome(verdict=verdict, reasons=reasons, champion=now, changed=False, recorded=False)


def _locked(home: Home) -> AbstractContextManager[Ledger]:
    """Hold the one lock of promotions, and write to the ledger that it guards."""
    return Ledger(home.ledger).alone(_WAIT)
