"""Runs, model versions and aliases in MLflow: a store on SQLite and files, or a team's server. The only importer of mlflow.

Everything here is idempotent: a run is found again by Concord's run id, a version by the digest of its package, so that
a call that was killed is simply repeated. A version is an MLflow logged model whose ``pyfunc`` flavour loads the package
through `load_pyfunc` below: MLflow shows its signature and can answer with it, and nothing is pickled.
"""

import argparse
import os
import re
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.config.home import Home
from components.core.errors import UserError
from components.core.files import written_aside
from components.core.refs import digest_folder
from components.registry.mlflow_errors import server_trouble, storage_trouble

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature

CHAMPION, CHALLENGER = "champion", "challenger"
_PACKAGE = "package"  # folder of the model package below a logged model
_RUN_TAG, _DIGEST_TAG = "concord.run_id", "concord.package_digest"
_WAIT = 300.0  # seconds that one process waits for another's writing (the first one migrates the database)
_PARAMS_AT_ONCE, _PARAM_LENGTH = 100, 6000  # limits of MLflow's log_batch


@dataclass(frozen=True, kw_only=True)
class Version:
    """One registered version of a model."""

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
    """A team's MLflow server, else the store below the state folder; reading a missing one finds nothing and makes nothing."""

    def __init__(self, home: Home) -> None:
        self._home, self._server = home, home.server
        self.root = home.root.absolute() / "mlflow"
        self.database = self.root / "mlflow.db"
        self.artifacts = self.root / "artifacts"

    @property
    def uri(self) -> str:
        """The server, or what to give ``mlflow ui --backend-store-uri``."""
        return self._server or f"sqlite:///{self.database}"

    def prepare(self) -> None:
        """Make the database if there is none (MLflow's migrations take ten seconds); any number of processes may call it.

        A server has made its own. It is made aside and renamed, so that a killed one leaves nothing half migrated.

        Raises:
            UserError: the folder cannot be written.
        """
        if self._server or self.database.is_file():
            return
        from filelock import FileLock

        with self._telling():
            self.artifacts.mkdir(parents=True, exist_ok=True)
            with FileLock(self.root / "prepare.lock", timeout=_WAIT):
                if self.database.is_file():
                    return
                _quiet()
                from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

                for left in self.root.glob(
                    ".mlflow.*.part*"
                ):  # by a killed one: nobody else holds the lock
                    left.unlink()
                aside = self.root / f".mlflow.{os.getpid()}.part"
                store = SqlAlchemyStore(f"sqlite:///{aside}", str(self.artifacts))
                store.engine.dispose()
                aside.replace(self.database)

    def record_run(
        self,
        name: str,
        run_id: str,
        *,
        params: Mapping[str, Any],
        metrics: Mapping[str, Any],
        tags: Mapping[str, str],
        artifacts: Mapping[str, Path],
    ) -> str:
        """Record one finished run and return MLflow's id of it.

        Args:
            name: the experiment, which is the model's name.
            run_id: Concord's id of the run; a run that is recorded already is returned as it is.
            params: may be nested; flattened with dots.
            metrics: may be nested; what is no number is left out.
            tags: texts.
            artifacts: folder of the run's artifacts to a local file or folder.

        Raises:
            UserError: the store cannot be written.
        """
        self.prepare()
        with self._writing():
            client = self._client()
            experiment = self._experiment(client, name)
            query = f"tags.`{_RUN_TAG}` = '{run_id}'"
            found = client.search_runs([experiment], query, max_results=1)
            if found and found[0].info.status == "FINISHED":
                return str(found[0].info.run_id)
            run = (
                found[0]
                if found
                else client.create_run(experiment, run_name=run_id, tags={_RUN_TAG: run_id, **tags})
            )
            mlflow_id = str(run.info.run_id)
            _log_figures(client, mlflow_id, params, metrics)
            for folder, path in artifacts.items():
                log = client.log_artifacts if path.is_dir() else client.log_artifact
                log(mlflow_id, str(path), folder or None)
            client.set_terminated(mlflow_id, "FINISHED")
            return mlflow_id

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
        """Register a model package as a version and make it the challenger.

        Args:
            name: the registered model.
            package: folder of the package; it is copied.
            package_digest: a package that is registered already keeps its version.
            run: MLflow's id of the run that made it.
            modalities: modality name to its kind; they shape the signature.
            tags: more to find the version by (data digest, Bento, run).

        Raises:
            UserError: the store cannot be written.
        """
        self.prepare()
        with self._writing():
            found = next(
                (v for v in self._versions(name) if v.package_digest == package_digest), None
            )
            if found is not None:
                if (
                    not self._server and not found.package.is_dir()
                ):  # its files were deleted to free disk
                    with written_aside(found.package) as aside:
                        shutil.copytree(package, aside, dirs_exist_ok=True)
                return found.version
            client = self._client()
            self._registered_model(client, name)
            model_id = self._log_model(client, name, package, run, modalities)
            version = client.create_model_version(
                name,
                f"models:/{model_id}",
                run_id=run,
                model_id=model_id,
                tags={**(tags or {}), _DIGEST_TAG: package_digest},
            )
            client.set_registered_model_alias(name, CHALLENGER, version.version)
            return int(version.version)

    def versions(self, name: str) -> list[Version]:
        """All versions of a model, oldest first; none where there is no such model.

        Raises:
            UserError: the server does not answer.
        """
        if not self._server and not self.database.is_file():
            return []
        with self._telling():
            return self._versions(name)

    def champion(self, name: str) -> Version | None:
        """The version behind the alias ``champion``."""
        return next((v for v in self.versions(name) if CHAMPION in v.aliases), None)

    def set_alias(self, name: str, alias: str, version: int | None) -> None:
        """Point an alias at a version, or take it away with ``None``.

        MLflow has no compare-and-swap: the caller holds the lock of `components.registry.promotion`.
        """
        with self._telling():
            if version is None:
                self._client().delete_registered_model_alias(name, alias)
            else:
                self._client().set_registered_model_alias(name, alias, str(version))

    def fetch(self, name: str, version: int, package_digest: str) -> Path:
        """The folder of a version's package in a team's registry, loaded down once and verified.

        Raises:
            UserError: the server does not answer, or gives another package than the digest says.
        """
        target = fetched(self._home, package_digest)
        if target.is_dir():
            return target
        with self._telling(), written_aside(target.parent) as aside:
            client = self._client()
            from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

            source = client.get_model_version(name, str(version)).source
            logged = client.get_logged_model(source.removeprefix("models:/"))
            get_artifact_repository(logged.artifact_location).download_artifacts(
                _PACKAGE, str(aside)
            )
            if (got := digest_folder(aside / _PACKAGE)) != package_digest:
                raise UserError(
                    f"the package of {name!r} version {version} at {_shown(self.uri)} is not what was registered: its "
                    f"digest is {got}, wanted {package_digest}; restore the server's artifacts, or run its configuration again"
                )
        return target

    def _client(self) -> "MlflowClient":
        _quiet()
        import mlflow

        # MLflow's own stores resolve `models:/...` through the global address; nothing else here uses MLflow.
        mlflow.set_tracking_uri(self.uri)
        mlflow.set_registry_uri(self.uri)
        return mlflow.MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)

    def _experiment(self, client: "MlflowClient", name: str) -> str:
        if (experiment := client.get_experiment_by_name(name)) is not None:
            return str(experiment.experiment_id)
        place = (
            None if self._server else str(self.artifacts / name)
        )  # a server knows where its artifacts are
        return str(client.create_experiment(name, artifact_location=place))

    def _registered_model(self, client: "MlflowClient", name: str) -> None:
        if not client.search_registered_models(f"name = '{name}'", max_results=1):
            client.create_registered_model(name)

    def _log_model(
        self,
        client: "MlflowClient",
        name: str,
        package: Path,
        run: str,
        modalities: Mapping[str, str],
    ) -> str:
        """Write a logged model: the package, and an ``MLmodel`` that says how it is loaded and what it takes and gives."""
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # MLflow warns of its own type hints when it is imported
            from mlflow import pyfunc
            from mlflow.models import Model
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        logged = client.create_logged_model(
            self._experiment(client, name), name=name, source_run_id=run, model_type="concord"
        )
        model = Model(
            artifact_path=logged.artifact_location, model_uuid=logged.model_id, model_id=logged.model_id, run_id=run,
            signature=_signature(modalities),
        )  # fmt: skip
        pyfunc.add_to_model(model, loader_module="components.registry", data=_PACKAGE)
        repository = get_artifact_repository(logged.artifact_location)
        repository.log_artifacts(str(package), _PACKAGE)
        with tempfile.TemporaryDirectory() as folder:
            model.save(str(Path(folder) / "MLmodel"))
            repository.log_artifacts(folder)
        client.finalize_logged_model(logged.model_id, "READY")
        return str(logged.model_id)

    def _versions(self, name: str) -> list[Version]:
        client = self._client()
        registered = client.search_registered_models(f"name = '{name}'", max_results=1)
        aliases: dict[int, list[str]] = {}
        for alias, number in dict(registered[0].aliases).items() if registered else []:
            aliases.setdefault(int(number), []).append(alias)
        found = []
        for version in _pages(client, name):
            # Fetched by alias or search `model_id` may be None; the source always names it (models:/m-...).
            logged = client.get_logged_model(version.source.removeprefix("models:/"))
            digest = version.tags.get(_DIGEST_TAG, "")
            local = Path(logged.artifact_location.removeprefix("file://")) / _PACKAGE
            found.append(
                Version(
                    name=name,
                    version=int(version.version),
                    package_digest=digest,
                    package=fetched(self._home, digest) if self._server else local,
                    run=version.run_id,
                    tags=dict(version.tags),
                    aliases=sorted(aliases.get(int(version.version), [])),
                )
            )
        return sorted(found, key=lambda v: v.version)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Write alone; at a server, whoever registers holds the lock of `components.registry.promotion`."""
        from filelock import FileLock

        with self._telling(), ExitStack() as held:
            if not self._server:
                held.enter_context(FileLock(self.root / "write.lock", timeout=_WAIT))
            yield

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Turn what a full disk, a read-only folder or a silent server raises into one clear sentence."""
        try:
            yield
        except UserError:
            raise
        except Exception as error:
            if self._server and (words := server_trouble(error)):
                raise UserError(
                    f"cannot use the MLflow server {_shown(self._server)}: {words}; see that it runs, that MLFLOW_TRACKING_URI "
                    "names it, and MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD where it asks for them"
                ) from None  # MLflow's own words hold the whole URL, a password in it too
            if self._server or not (words := storage_trouble(error)):
                raise
            raise UserError(
                f"cannot write the registry in {self.root}: {words}; "
                "free space there, make it writable, or set CONCORD_HOME to a folder that is"
            ) from error


def fetched(home: Home, package_digest: str) -> Path:
    """Where a package from a team's registry lies once it was fetched."""
    return home.packages / package_digest / _PACKAGE


def _shown(url: str) -> str:
    """A server's address without user and password.

    >>> _shown("https://ada:secret@mlflow.example:5000")
    'https://mlflow.example:5000'
    """
    return re.sub(r"//[^/]*@", "//", url)


def _pages(client: "MlflowClient", name: str) -> Iterator[Any]:
    token = None
    while True:
        page = client.search_model_versions(f"name = '{name}'", page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _quiet() -> None:
    """Keep MLflow from telemetry and from its own words on the console, unless the user set it otherwise."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")


def _log_figures(
    client: "MlflowClient", run: str, params: Mapping[str, Any], metrics: Mapping[str, Any]
) -> None:
    from mlflow.entities import Metric, Param

    numbers = {
        k: float(v)
        for k, v in _flat(metrics).items()
        if isinstance(v, int | float) and not isinstance(v, bool)
    }
    texts = {k: str(v)[:_PARAM_LENGTH] for k, v in _flat(params).items()}
    now = 0  # one value per figure: its time means nothing, and 0 makes repeating the call write the same row
    client.log_batch(run, metrics=[Metric(k, v, now, 0) for k, v in numbers.items()][:1000])
    all_params = [Param(k, v) for k, v in texts.items()]
    for start in range(0, len(all_params), _PARAMS_AT_ONCE):
        client.log_batch(run, params=all_params[start : start + _PARAMS_AT_ONCE])


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested mappings to dotted names of the letters that MLflow allows.

    >>> _flat({"by_subset": {"image+text": {"accuracy": 0.5}}, "retrieval": {"text->image": 1}})
    {'by_subset.image_and_text.accuracy': 0.5, 'retrieval.text_to_image': 1}
    """
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        name = prefix + re.sub(
            r"[^\w\-. /:]",
            "_",
            str(key).replace("->", "_to_").replace("+", "_and_").replace("@", "_at_"),
        )
        if isinstance(value, Mapping):
            flat |= _flat(value, name + ".")
        else:
            flat[name] = value
    return flat


def _signature(modalities: Mapping[str, str]) -> "ModelSignature":
    """What a version takes (any subset of the modalities) and gives."""
    from mlflow.models import ModelSignature
    from mlflow.types import DataType
    from mlflow.types.schema import AnyType, ColSpec, Map, Schema

    types = {
        "image": DataType.binary,
        "audio": DataType.binary,
        "text": DataType.string,
        "tabular": Map(AnyType()),
    }
    inputs = Schema(
        [ColSpec(types[kind], name, required=False) for name, kind in sorted(modalities.items())]
    )
    outputs = Schema(
        [
            ColSpec(DataType.string, "label"),
            ColSpec(DataType.double, "confidence"),
            ColSpec(Map(DataType.double), "probabilities"),
        ]
    )
    return ModelSignature(inputs=inputs, outputs=outputs)


class _Answers:
    """What MLflow calls: one row of a data frame is one record, an empty cell an absent modality."""

    def __init__(self, package: Path) -> None:
        from components.prediction.predictor import Predictor

        self._predictor = Predictor.load(package)

    def predict(self, model_input: Any, params: object = None) -> Any:  # noqa: ANN401, ARG002 - MLflow's protocol
        """Label, confidence and probabilities of each row."""
        import pandas as pd

        rows: Sequence[Mapping[str, Any]] = model_input.to_dict("records")
        records = [
            {k: v for k, v in row.items() if isinstance(v, bytes | str | dict)} for row in rows
        ]
        answers = self._predictor.predict(records)
        columns = ("label", "confidence", "probabilities")
        return pd.DataFrame([{c: getattr(a, c) for c in columns} for a in answers], columns=columns)


def load_pyfunc(path: str) -> _Answers:
    """Entry of the ``pyfunc`` flavour."""
    return _Answers(Path(path))


def main(arguments: Sequence[str] | None = None) -> int:
    """Prepare the store of a state folder; nothing is written to standard output."""
    parser = argparse.ArgumentParser(
        prog="python -m components.registry.mlflow_store", description=main.__doc__
    )
    parser.add_argument(
        "--prepare",
        type=Path,
        required=True,
        metavar="HOME",
        help="the state folder (CONCORD_HOME)",
    )
    home = parser.parse_args(arguments).prepare
    try:
        Registry(Home(root=home)).prepare()
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
