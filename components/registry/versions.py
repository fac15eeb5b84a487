"""The registered versions of one model, read from the ledger's entries."""

from dataclasses import dataclass
from pathlib import Path

from components.config.home import Home
from components.core.errors import UserError
from components.registry.history import History
from components.registry.ledger import Ledger
from components.registry.ledger_entry import Entry

CHAMPION, CHALLENGER = "champion", "challenger"
_PACKAGE = "package"


@dataclass(frozen=True, kw_only=True)
class RegisteredVersion:
    """A registered version as the ledger knows it."""

    model: str
    version: int
    package_digest: str
    package: Path
    """Folder of its model package; in a team it exists once `Promotion.package_of` fetched it."""


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
        return self.numbered(succession[-1].version) if succession else None

    def numbered(self, number: int | None) -> RegisteredVersion:
        """The version of a number.

        Raises:
            UserError: there is none; the message lists the existing ones.
        """
        for version in reversed(self.all()):
            if version.version == number:
                return version
        raise UserError(
            f"{self.history.model!r} has no version {number}; registered: {self.listed()}"
        )

    def named(self, name: str) -> RegisteredVersion:
        """A version by number, or as ``champion`` or ``challenger``, which is the newest one.

        Raises:
            UserError: there is no such version; the message lists the existing ones.
        """
        model, versions = self.history.model, self.all()
        if not versions:
            raise UserError(
                f"no version of {model!r} is registered; `concord run CONFIG` registers one"
            )
        known = {str(v.version): v for v in versions} | {CHALLENGER: versions[-1]}
        if champion := self.champion():
            known[CHAMPION] = champion
        if name not in known:
            raise UserError(
                f"unknown version {name!r} of {model!r}; there are: {', '.join(sorted(known))}"
            )
        return known[name]

    def listed(self) -> str:
        """All numbers, for messages."""
        return ", ".join(str(n) for n in sorted({v.version for v in self.all()})) or "none"


def registered(home: Home, registration: Entry) -> RegisteredVersion:
    """The version that an entry of the ledger registers."""
    assert registration.version is not None
    assert registration.package_digest is not None
    stored = registration.details.get("package")
    return RegisteredVersion(
        model=registration.model,
        version=registration.version,
        package_digest=registration.package_digest,
        package=home.root / stored if stored else fetched(home, registration.package_digest),
    )


def fetched(home: Home, package_digest: str) -> Path:
    """The folder of a package that was fetched from a team's registry."""
    return home.packages / package_digest / _PACKAGE


def models(home: Home) -> list[str]:
    """Names of all models that have a registered version."""
    return sorted({entry.model for entry in Ledger(home.ledger).entries(kind="registration")})
