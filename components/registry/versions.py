"""The registered versions of one model, read from the ledger's entries."""

from dataclasses import dataclass
from pathlib import Path

from components.config.home import Home
from components.core.errors import UserError
from components.registry import packages
from components.registry.history import History
from components.registry.ledger import Ledger
from components.registry.ledger_entry import Entry

CHAMPION, CHALLENGER = "champion", "challenger"
_SHORT = 8  # characters of a digest that are shown, and that name a version


@dataclass(frozen=True, kw_only=True)
class RegisteredVersion:
    """A registered version as the ledger knows it."""

    model: str
    version: int
    package_digest: str
    package: Path
    """Folder of its model package; `Promotion.package_of` finds and verifies it."""


@dataclass(frozen=True)
class Versions:
    """The registered versions of a model's history.

    Attributes:
        home: the state folder that the packages are in.
        history: the ledger's entries of the model.
    """

    home: Home
    history: History

    def all(self) -> list[RegisteredVersion]:
        """All versions, oldest first."""
        return [registered(self.home, entry) for entry in self.history.registrations()]

    def champion(self) -> RegisteredVersion | None:
        """The champion after the last promotion or rollback."""
        succession = self.history.succession()
        return self.of(succession[-1].package_digest) if succession else None

    def of(self, package_digest: str | None) -> RegisteredVersion | None:
        """The version of a package; a number alone never says which package is meant."""
        return next((v for v in self.all() if v.package_digest == package_digest), None)

    def numbered(self, number: int | None) -> RegisteredVersion:
        """The version of a number.

        Raises:
            UserError: there is none, and the message lists the existing ones; or there are several
                in a ledger of an earlier revision, whose MLflow had counted from 1 again.
        """
        found = [version for version in self.all() if version.version == number]
        if len(found) > 1:
            digests = ", ".join(v.package_digest[:_SHORT] for v in found)
            raise UserError(
                f"the ledger has {len(found)} packages of {self.history.model!r} under the number "
                f"{number}: {digests}; give one of these instead of the number"
            )
        if found:
            return found[0]
        raise UserError(
            f"{self.history.model!r} has no version {number}; registered: {self.listed()}"
        )

    def named(self, name: str) -> RegisteredVersion:
        """A version by number or digest, or as ``champion`` or ``challenger``, the newest one.

        Raises:
            UserError: there is no such version; the message lists the existing ones.
        """
        model, versions = self.history.model, self.all()
        if not versions:
            raise UserError(
                f"no version of {model!r} is registered; `concord run CONFIG` registers one"
            )
        if name == CHALLENGER:
            return versions[-1]
        if name == CHAMPION and (champion := self.champion()):
            return champion
        known = {str(v.version) for v in versions} | {CHALLENGER}
        known |= {CHAMPION} if self.champion() else set()
        if name in known:
            return self.numbered(int(name))
        if len(name) >= _SHORT and (
            found := [v for v in versions if v.package_digest.startswith(name)]
        ):
            return found[0]
        there = f"there are: {', '.join(sorted(known))}"
        if name == CHAMPION:
            raise UserError(
                f"{model!r} has no champion; {there}; "
                f"make one with `concord promote VERSION --model {model}`"
            )
        raise UserError(f"unknown version {name!r} of {model!r}; {there}")

    def listed(self) -> str:
        """All numbers, for messages."""
        return ", ".join(str(n) for n in sorted({v.version for v in self.all()})) or "none"


def registered(home: Home, registration: Entry) -> RegisteredVersion:
    """The version that an entry of the ledger registers."""
    assert registration.version is not None
    assert registration.package_digest is not None
    return RegisteredVersion(
        model=registration.model,
        version=registration.version,
        package_digest=registration.package_digest,
        package=_package(home, registration.package_digest, registration.details.get("package")),
    )


def _package(home: Home, package_digest: str, stored: str | None) -> Path:
    """Where a package is; entries of earlier revisions name its place in MLflow's artifacts."""
    kept = packages.place(home, package_digest)
    if stored and not kept.is_dir() and (home.root / stored).is_dir():
        return home.root / stored
    return kept


def models(home: Home) -> list[str]:
    """Names of all models that have a registered version."""
    return sorted({entry.model for entry in Ledger(home.ledger).entries(kind="registration")})
