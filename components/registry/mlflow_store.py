"""Model versions and the alias ``champion`` in MLflow.

All writes are idempotent: a version is found again by the digest of its package, so that a killed
call is simply repeated.
"""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.config.home import Home
from components.core.errors import UserError
from components.core.files import written_aside
from components.core.refs import digest_folder
from components.registry import mlflow_pyfunc
from components.registry.mlflow_client import Store, located
from components.registry.versions import CHAMPION, fetched

if TYPE_CHECKING:
    from mlflow import MlflowClient

_DIGEST_TAG = "concord.package_digest"


@dataclass(frozen=True, kw_only=True)
class Version:
    """One version of a model in MLflow."""

    name: str
    version: int
    package_digest: str
    package: Path
    """The model package's folder; in a team's registry the place where `Registry.fetch` puts it."""
    run: str | None
    """MLflow's id of the run that made it."""
    tags: dict[str, str]
    aliases: list[str]


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
        run: str,
        modalities: Mapping[str, str],
        tags: Mapping[str, str] | None = None,
    ) -> int:
        """Register a model package as a version, once, and return its number.

        Args:
            name: the registered model.
            package: folder of the package; it is copied.
            package_digest: a package that is registered already keeps its version.
            run: MLflow's id of the run that made it.
            modalities: modality name to the type of its raw values; they shape the signature.
            tags: more to find the version by (data digest, Bento, run).

        Raises:
            UserError: the store cannot be written.
        """
        store = self.store
        store.prepare()
        with store.writing():
            found = {v.package_digest: v for v in self._versions(name)}.get(package_digest)
            if found is not None:
                if not store.server and not found.package.is_dir():  # deleted to free disk
                    with written_aside(found.package) as aside:
                        shutil.copytree(package, aside, dirs_exist_ok=True)
                return found.version
            client = store.client()
            if not client.search_registered_models(f"name = '{name}'", max_results=1):
                client.create_registered_model(name)
            logged = client.create_logged_model(
                store.experiment(client, name), name=name, source_run_id=run, model_type="concord"
            )
            mlflow_pyfunc.write(logged, package, modalities)
            client.finalize_logged_model(logged.model_id, "READY")
            version = client.create_model_version(
                name,
                f"models:/{logged.model_id}",
                run_id=run,
                model_id=logged.model_id,
                tags={**(tags or {}), _DIGEST_TAG: package_digest},
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

    def fetch(self, name: str, version: int, package_digest: str) -> Path:
        """The folder of a version's package in a team's registry, downloaded once and verified.

        Raises:
            UserError: the server does not answer, or the package has another digest.
        """
        target = fetched(self._home, package_digest)
        if target.is_dir():
            return target
        with self.store.explained(), written_aside(target.parent) as aside:
            client = self.store.client()
            from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

            logged = _logged_model(client, client.get_model_version(name, str(version)))
            repository = get_artifact_repository(logged.artifact_location)
            repository.download_artifacts(mlflow_pyfunc.PACKAGE, str(aside))
            if (got := digest_folder(aside / mlflow_pyfunc.PACKAGE)) != package_digest:
                raise UserError(
                    f"the package of {name!r} version {version} at {self.store.place} is not what "
                    f"was registered: its digest is {got}, wanted {package_digest}; restore the "
                    "server's artifacts, or run its configuration again"
                )
        return target

    def _versions(self, name: str) -> list[Version]:
        client = self.store.client()
        registered = client.search_registered_models(f"name = '{name}'", max_results=1)
        aliases: dict[int, list[str]] = {}
        for alias, number in dict(registered[0].aliases).items() if registered else []:
            aliases.setdefault(int(number), []).append(alias)
        found = []
        for version in _pages(client, name):
            place = located(_logged_model(client, version).artifact_location)
            number, digest = int(version.version), version.tags.get(_DIGEST_TAG, "")
            at_server = bool(self.store.server)
            found.append(
                Version(
                    name=name,
                    version=number,
                    package_digest=digest,
                    package=fetched(self._home, digest)
                    if at_server
                    else place / mlflow_pyfunc.PACKAGE,
                    run=version.run_id,
                    tags=dict(version.tags),
                    aliases=sorted(aliases.get(number, [])),
                )
            )
        return sorted(found, key=lambda v: v.version)


def _logged_model(client: "MlflowClient", version: Any) -> Any:  # noqa: ANN401 - of MLflow
    """The logged model of a version.

    Fetched by alias or search, a version's ``model_id`` may be None; its source (``models:/m-...``)
    always names the model.
    """
    return client.get_logged_model(version.source.removeprefix("models:/"))


def _pages(client: "MlflowClient", name: str) -> Iterator[Any]:
    token = None
    while True:
        page = client.search_model_versions(f"name = '{name}'", page_token=token)
        yield from page
        token = page.token
        if not token:
            return
