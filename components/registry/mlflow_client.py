"""Where MLflow keeps runs and versions: a team's server, or files below the state folder."""

import argparse
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from components.config.home import Home
from components.core.errors import UserError
from components.core.failures import ended
from components.core.places import sqlite_url
from components.registry.mlflow_errors import server_trouble, storage_trouble
from components.registry.mlflow_places import settle

if TYPE_CHECKING:
    from mlflow import MlflowClient

_WAIT = 300.0  # seconds that a process waits for another that writes (the first one migrates)


class Store:
    """A team's MLflow server, else the store below the state folder."""

    def __init__(self, home: Home) -> None:
        self.server = home.server
        self.root = home.root.resolve() / "mlflow"
        self.database = self.root / "mlflow.db"
        self.artifacts = self.root / "artifacts"

    @property
    def uri(self) -> str:
        """The server, or the value for ``mlflow ui --backend-store-uri``."""
        return self.server or sqlite_url(self.database)

    @property
    def place(self) -> str:
        """The address as messages may show it: without user and password."""
        return without_password(self.uri)

    def exists(self) -> bool:
        """Whether there is anything to read; a server always exists."""
        return bool(self.server) or self.database.is_file()

    def prepare(self) -> None:
        """Make the database if there is none; any number of processes may call this.

        MLflow's migrations take ten seconds. They run on a file aside that is then renamed, so
        that a killed process leaves no half-migrated database. A server has made its own.

        Raises:
            UserError: the folder cannot be written.
        """
        if self.exists():
            return
        from filelock import FileLock

        with self.explained():
            self.artifacts.mkdir(parents=True, exist_ok=True)
            with FileLock(self.root / "prepare.lock", timeout=_WAIT):
                if self.exists():
                    return
                _quiet()
                from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

                # Left by killed processes: nobody else holds the lock.
                for left in self.root.glob(".mlflow.*.part*"):
                    left.unlink()
                aside = self.root / f".mlflow.{os.getpid()}.part"
                try:
                    store = SqlAlchemyStore(sqlite_url(aside), _location(self.artifacts))
                    store.engine.dispose()
                    aside.replace(self.database)
                finally:
                    for left in self.root.glob(f"{aside.name}*"):
                        left.unlink()

    def client(self) -> "MlflowClient":
        """A client of the store."""
        _quiet()
        if not self.server and self.database.is_file():
            settle(self.database, _location(self.artifacts))
        import mlflow

        # MLflow's own stores resolve `models:/...` through the global address.
        mlflow.set_tracking_uri(self.uri)
        mlflow.set_registry_uri(self.uri)
        return mlflow.MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)

    def experiment(self, client: "MlflowClient", name: str) -> str:
        """The id of the experiment of a name, made if there is none and restored if deleted."""
        if (experiment := client.get_experiment_by_name(name)) is not None:
            if experiment.lifecycle_stage == "deleted":
                client.restore_experiment(experiment.experiment_id)
            return str(experiment.experiment_id)
        # A server has a place of its own.
        place = None if self.server else _location(self.artifacts / name)
        return str(client.create_experiment(name, artifact_location=place))

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Write alone.

        At a server, whoever registers holds the lock of `components.registry.promotion`.

        Raises:
            UserError: the store cannot be written.
        """
        from filelock import FileLock

        with self.explained(), ExitStack() as held:
            if not self.server:
                held.enter_context(FileLock(self.root / "write.lock", timeout=_WAIT))
            yield

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn what a full disk, a read-only folder or a silent server raises into one sentence."""
        try:
            yield
        except UserError:
            raise
        except Exception as error:
            if self.server and (reason := server_trouble(error)):
                raise UserError(
                    f"cannot use the MLflow server {self.place}: {reason}; check that it runs, "
                    "that MLFLOW_TRACKING_URI names it, and, where it requires a login, "
                    "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
                ) from None  # MLflow's message holds the whole URL, with any password
            if self.server or not (reason := storage_trouble(error)):
                raise
            raise UserError(
                f"cannot write the registry in {self.root}: {reason}; free space there, "
                "make it writable, or set CONCORD_HOME to a folder that is"
            ) from error


def _location(folder: Path) -> str:
    """How MLflow writes a local path: it reads ``%`` as in an address."""
    return str(folder).replace("%", "%25")


def located(location: str) -> Path:
    """The local path behind MLflow's location of artifacts."""
    return Path(unquote(location.removeprefix("file://")))


def without_password(url: str) -> str:
    """A URL without user and password.

    >>> without_password("https://ada:secret@mlflow.example:5000")
    'https://mlflow.example:5000'
    """
    return re.sub(r"//[^/]*@", "//", url)


def _quiet() -> None:
    """Switch off MLflow's telemetry and console messages, unless the user set them otherwise."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")


def main(arguments: Sequence[str] | None = None) -> int:
    """Prepare the store of a state folder; nothing is written to standard output."""
    parser = argparse.ArgumentParser(
        prog="python -m components.registry.mlflow_client", description=main.__doc__
    )
    parser.add_argument(
        "--prepare",
        type=Path,
        required=True,
        metavar="HOME",
        help="the state folder (CONCORD_HOME)",
    )
    home = parser.parse_args(arguments).prepare
    # A run that fails ends its preparation so; what was begun is then removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    return ended(lambda: Store(Home(root=home)).prepare())


if __name__ == "__main__":
    raise SystemExit(main())
