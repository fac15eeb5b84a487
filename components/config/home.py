"""Where state lives: one folder, found from any working directory.

A team adds two servers: a database and MLflow.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

from components.core.errors import UsageError, UserError
from components.core.places import expanded, in_utf8

CHECKOUT = Path(__file__).resolve().parents[2]


DATABASE, REGISTRY, PREFECT = "CONCORD_DATABASE_URL", "MLFLOW_TRACKING_URI", "PREFECT_API_URL"
"""The environment variables that name a team's servers; passwords in them are never shown."""
_DATABASE_FORM, _REGISTRY_FORM = (
    "postgresql://USER:PASSWORD@HOST:PORT/DATABASE",
    "http://HOST:PORT of `mlflow server`",
)


@dataclass(frozen=True, kw_only=True)
class Home:
    """The folders under ``CONCORD_HOME`` and, for a team, the addresses of its servers."""

    root: Path
    database: str | None = field(default=None, repr=False)
    """PostgreSQL URL of the ledger; without one it is a file below ``root``."""
    server: str | None = field(default=None, repr=False)
    """URL of the MLflow server; without one the registry is a store below ``root``.

    It is given if, and only if, ``database`` is.
    """

    @property
    def steps(self) -> Path:
        """Outputs of steps by name and key."""
        return self.root / "steps"

    @property
    def cache(self) -> Path:
        """The feature cache and the memo of file digests."""
        return self.root / "cache"

    @property
    def checkpoints(self) -> Path:
        """Checkpoints of training runs, finished ones included."""
        return self.root / "checkpoints"

    @property
    def runs(self) -> Path:
        """One folder per run."""
        return self.root / "runs"

    @property
    def ledger(self) -> Path | str:
        """The append-only ledger: a file, or the URL of a team's database."""
        return self.database or self.root / "ledger.sqlite"

    @property
    def store(self) -> Path | str:
        """What the service keeps: a file, or the URL of a team's database."""
        return self.database or self.root / "store.sqlite"

    @property
    def packages(self) -> Path:
        """Packages of registered versions, by digest."""
        return self.root / "packages"

    @property
    def engines(self) -> Path:
        """Logs of the servers that a run starts."""
        return self.root / "engines"


def find(root: Path | None = None) -> Home:
    """Find the state folder.

    It is ``CONCORD_HOME``, else ``.concord`` in the checkout, else ``.concord`` in the user's home.

    Raises:
        UsageError: the addresses of a team's servers are incomplete or wrong, or missing in a pod.
    """
    if root is None:
        root = Path(os.environ.get("CONCORD_HOME") or _default())
    database, server = os.environ.get(DATABASE), os.environ.get(REGISTRY)
    _check(database, server)
    in_utf8(root.absolute())
    return Home(
        root=_rooted(root),
        database=database or None,
        server=server if database else None,
    )


def _default() -> Path:
    return (CHECKOUT if (CHECKOUT / "pyproject.toml").is_file() else Path("~")) / ".concord"


def _rooted(root: Path) -> Path:
    """The path of a folder with links resolved, so that each folder has one path."""
    place = expanded(root)
    if place.parts[:1] == ("~",):
        raise UsageError(
            f"the state folder {root} cannot be found: HOME is not set, and the user has no entry "
            "in the system's list; set CONCORD_HOME to a folder that you may write"
        )
    return place.resolve()


def served() -> Home:
    """The state folder as the service needs it: without a registry, also in a cluster.

    Raises:
        UsageError: the address of the team's database is not one.
    """
    database = os.environ.get(DATABASE)
    _check_form(database)
    root = Path(os.environ.get("CONCORD_HOME") or _default())
    return Home(root=_rooted(root), database=database or None)


def in_cluster() -> bool:
    """Whether this process is in a pod of Kubernetes."""
    return "KUBERNETES_SERVICE_HOST" in os.environ


def missing_in_pod(*names: str) -> str:
    """Message for a pod without servers, where SQLite files would be lost or shared wrongly.

    Args:
        names: environment variables that are not set.
    """
    return (
        f"this is a pod, and {' and '.join(names)} {'is' if len(names) == 1 else 'are'} not set: "
        f"in a cluster the flow needs servers, not SQLite; set {DATABASE} (from a secret), "
        f"{REGISTRY} and {PREFECT} in the work pool's template "
        "(infra/prefect/base-job-template.json; docs/kubernetes.md)"
    )


def _check(database: str | None, server: str | None) -> None:
    if in_cluster() and not (database and server):
        raise UsageError(
            missing_in_pod(*(n for n in (DATABASE, REGISTRY, PREFECT) if not os.environ.get(n)))
        )
    _check_form(database)
    at_server = bool(server) and str(server).startswith(("http://", "https://"))
    if bool(database) == at_server:
        return
    known, other, form = (
        (DATABASE, REGISTRY, _REGISTRY_FORM) if database else (REGISTRY, DATABASE, _DATABASE_FORM)
    )
    raise UsageError(
        f"{known} names a server and {other} does not: the ledger refers to versions of the "
        f"registry, so a team shares both; set {other} to {form}, or unset {known}"
    )


def _check_form(database: str | None) -> None:
    if database and not database.startswith(("postgresql://", "postgres://")):
        raise UsageError(
            f"{DATABASE}: got {database.partition(':')[0][:20]!r}://..., wanted {_DATABASE_FORM}"
        )


def writable(home: Home) -> Home:
    """Make the state folder if needed and check that it can be written.

    Raises:
        UserError: it cannot be made or written.
    """
    try:
        home.root.mkdir(parents=True, exist_ok=True)
        probe = home.root / f".probe.{os.getpid()}"
        probe.write_bytes(b"concord")
        probe.unlink()
    except OSError as error:
        raise UserError(
            f"state folder {home.root} cannot be written ({error.strerror}); "
            "make it writable, or set CONCORD_HOME to a folder of yours"
        ) from error
    return home
