"""Model versions and the alias ``champion`` in MLflow.

All writes are idempotent: a version is found again by the digest of its package, so that a killed
call is simply repeated.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.config.home import Home
from components.core.errors import UserError
from components.core.files import written_aside
from components.core.refs import digest_folder
from components.registry import mlflow_pyfunc, packages
from components.registry.mlflow_client import Store, located
from components.registry.versions import CHAMPION

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from mlflow.entities.model_registry import ModelVersion

_DIGEST_TAG = "concord.package_digest"


@dataclass(frozen=True, kw_only=True)
class Version:
    """One version of a model in MLflow."""

    name: str
    version: int
    package_digest: str
    package: Path | None
    """MLflow's own copy of the model package, where that is a folder of this machine."""
    logged: str
    """MLflow's id of its logged model."""
    run: str | None
    """MLflow's id of the run that made it."""
    tags: dict[str, str]
    aliases: list[str]


@dataclass(frozen=True, kw_only=True)
class Known:
    """What the ledger knows of a version."""

    package_digest: str
    package: Path | None
    """Its package, where it is on this machine."""
    modalities: Mapping[str, str]


class Registry:
    """A team's MLflow server, else the store below the state folder.

    Reading a missing store finds nothing and does not make it.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self.store = Store(home)

    def register(
        self,
        name: str,
        package: Path,
        *,
        package_digest: str,
        run: str | None,
        modalities: Mapping[str, str],
        tags: Mapping[str, str] | None = None,
        taken: Mapping[int, str] | None = None,
    ) -> int:
        """Register a model package as a version, once, and return its number.

        Args:
            name: the registered model.
            package: folder of the package; it is copied.
            package_digest: a package that is registered already keeps its version.
            run: MLflow's id of the run that made it, if there is one.
            modalities: modality name to the type of its raw values; they shape the signature.
            tags: more to find the version by (data digest, Bento, run).
            taken: numbers that the ledger has given, each to the package of a digest.

        Raises:
            UserError: the store cannot be written.
        """
        store, taken = self.store, taken or {}
        store.prepare()
        with store.writing():
            client = store.client()
            for found in self._versions(name):
                if found.package_digest != package_digest or not _may_be(found, taken):
                    continue
                self._put_back(client, found, package, modalities)
                return found.version
            return self._create(
                client, name, package, run=run, modalities=modalities,
                tags={**(tags or {}), _DIGEST_TAG: package_digest},
            )  # fmt: skip

    def fill(self, name: str, known: Mapping[int, Known]) -> list[int]:
        """Register again what MLflow has lost, so that its next number is a free one.

        MLflow counts from its own highest number. Where its database is new, or the model was
        deleted in it, that is below the ledger's: the packages that still exist get their numbers
        back, and the numbers of the others are spent.

        Args:
            name: the registered model.
            known: the ledger's numbers.

        Returns:
            The numbers that MLflow had lost.
        """
        store = self.store
        store.prepare()
        with store.writing():
            client = store.client()
            there, by_digest = self._versions(name), {k.package_digest: k for k in known.values()}
            for version in there:
                if (mine := by_digest.get(version.package_digest)) and mine.package:
                    self._put_back(client, version, mine.package, mine.modalities)
            last = max((v.version for v in there), default=0)
            lost = sorted(number for number in known if number > last)
            while lost and last < lost[-1]:
                wanted = known.get(last + 1)
                package = wanted.package if wanted else None
                made = self._create(
                    client, name, package, run=None,
                    modalities=wanted.modalities if wanted else {},
                    tags={_DIGEST_TAG: wanted.package_digest} if wanted and package else {},
                )  # fmt: skip
                if package is None or made != last + 1:
                    client.delete_model_version(name, str(made))
                last = made
        return lost

    def check(self) -> None:
        """Check that a team's server answers.

        Raises:
            UserError: it does not.
        """
        if self.store.server:
            with self.store.explained():
                self.store.client().search_experiments(max_results=1)

    def _put_back(
        self,
        client: "MlflowClient",
        version: Version,
        package: Path,
        modalities: Mapping[str, str],
    ) -> None:
        """Write the artifacts of a version again if somebody deleted them."""
        if version.package is not None and not version.package.is_dir():
            mlflow_pyfunc.write(client.get_logged_model(version.logged), package, modalities)

    def _create(
        self,
        client: "MlflowClient",
        name: str,
        package: Path | None,
        *,
        run: str | None,
        modalities: Mapping[str, str],
        tags: Mapping[str, str],
    ) -> int:
        """Make a version; one without a package only spends its number."""
        if not client.search_registered_models(f"name = '{name}'", max_results=1):
            client.create_registered_model(name)
        logged = client.create_logged_model(
            self.store.experiment(client, name), name=name, source_run_id=run, model_type="concord"
        )
        if package is not None:
            mlflow_pyfunc.write(logged, package, modalities)
        client.finalize_logged_model(logged.model_id, "READY")
        version = client.create_model_version(
            name,
            f"models:/{logged.model_id}",
            run_id=run,
            model_id=logged.model_id,
            tags=dict(tags),
        )
        return int(version.version)

    def versions(self, name: str) -> list[Version]:
        """All versions of a model, oldest first; none where there is no such model.

        Raises:
            UserError: the server does not answer.
        """
        if not self.store.exists():
            return []
        with self.store.explained():
            return self._versions(name)

    def champion(self, name: str) -> Version | None:
        """The version that the alias ``champion`` points to."""
        return next((v for v in self.versions(name) if CHAMPION in v.aliases), None)

    def set_alias(self, name: str, alias: str, version: int | None) -> None:
        """Point an alias at a version, or remove it with ``None``.

        MLflow has no compare-and-swap: the caller holds the lock of
        `components.registry.promotion`.
        """
        with self.store.explained():
            client = self.store.client()
            if version is None:
                client.delete_registered_model_alias(name, alias)
            else:
                client.set_registered_model_alias(name, alias, str(version))

    def fetch(self, name: str, package_digest: str) -> Path | None:
        """Fetch a package from MLflow by its digest, verified; None where there is none.

        Raises:
            UserError: the server does not answer, or its package has another digest.
        """
        if not self.store.exists() or find_spec("mlflow") is None:  # as where a model is served
            return None
        target = packages.place(self._home, package_digest)
        with self.store.explained():
            client = self.store.client()
            from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

            for version in _pages(client, name):
                logged = _logged_model(client, version)
                if version.tags.get(_DIGEST_TAG) != package_digest or logged is None:
                    continue
                if (
                    not self.store.server
                    and not Path(_local(logged), mlflow_pyfunc.PACKAGE).is_dir()
                ):
                    continue
                with written_aside(target.parent) as aside:
                    repository = get_artifact_repository(logged.artifact_location)
                    repository.download_artifacts(mlflow_pyfunc.PACKAGE, str(aside))
                    got = digest_folder(aside / mlflow_pyfunc.PACKAGE)
                    if got != package_digest:
                        raise UserError(
                            f"the package of {name!r} version {version.version} at "
                            f"{self.store.place} is not what was registered: its digest is {got}, "
                            f"wanted {package_digest}; restore the artifacts there, or run its "
                            "configuration again"
                        )
                return target
        return None

    def _versions(self, name: str) -> list[Version]:
        client = self.store.client()
        registered = client.search_registered_models(f"name = '{name}'", max_results=1)
        aliases: dict[int, list[str]] = {}
        for alias, number in dict(registered[0].aliases).items() if registered else []:
            aliases.setdefault(int(number), []).append(alias)
        found = []
        for version in _pages(client, name):
            number, digest = int(version.version), version.tags.get(_DIGEST_TAG, "")
            package = None
            if not self.store.server:
                logged = _logged_model(client, version)
                if logged is None:  # deleted in MLflow's pages: nothing can load the version
                    continue
                package = _local(logged) / mlflow_pyfunc.PACKAGE
            found.append(
                Version(
                    name=name,
                    version=number,
                    package_digest=digest,
                    package=package,
                    logged=version.source.removeprefix("models:/"),
                    run=version.run_id,
                    tags=dict(version.tags),
                    aliases=sorted(aliases.get(number, [])),
                )
            )
        return sorted(found, key=lambda v: v.version)


def _may_be(version: Version, taken: Mapping[int, str]) -> bool:
    """Whether a version's number is not another package's in the ledger."""
    return taken.get(version.version, version.package_digest) == version.package_digest


def _local(logged: "LoggedModel") -> Path:
    """The folder of a logged model that is on this machine."""
    return located(logged.artifact_location)


def _logged_model(client: "MlflowClient", version: "ModelVersion") -> "LoggedModel | None":
    """The logged model of a version; None where somebody deleted it.

    Fetched by alias or search, a version's ``model_id`` may be None; its source (``models:/m-...``)
    always names the model.
    """
    from mlflow.exceptions import MlflowException

    try:
        return client.get_logged_model(version.source.removeprefix("models:/"))
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise


def _pages(client: "MlflowClient", name: str) -> Iterator[Any]:
    token = None
    while True:
        page = client.search_model_versions(f"name = '{name}'", page_token=token)
        yield from page
        token = page.token
        if not token:
            return
