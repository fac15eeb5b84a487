"""A real S3 server over a folder: versitygw, with a bucket and random credentials."""

import secrets
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.testcluster.binaries import binary
from tools.testcluster.shell import wait_for

BUCKET = "concord"


@dataclass(frozen=True)
class S3Server:
    """Its address and credentials."""

    endpoint: str
    access_key: str
    secret_key: str

    @property
    def env(self) -> dict[str, str]:
        """The environment variables for S3 clients."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def uri(self, prefix: str) -> str:
        """The URI of a prefix in its bucket."""
        return f"s3://{BUCKET}/{prefix}"


@contextmanager
def serving(address: str, folder: Path) -> Iterator[S3Server]:
    """Serve a folder at an address until the block ends; each folder in it is a bucket."""
    (folder / BUCKET).mkdir()
    with socket.socket() as taken:
        taken.bind((address, 0))
        port = taken.getsockname()[1]
    server = S3Server(f"http://{address}:{port}", secrets.token_hex(8), secrets.token_hex(16))
    logs = folder.with_suffix(".log")
    environment = {"ROOT_ACCESS_KEY": server.access_key, "ROOT_SECRET_KEY": server.secret_key}
    command = [binary("versitygw"), "--port", f"{address}:{port}", "posix", str(folder)]
    with (
        logs.open("w") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=log) as process,
    ):
        try:
            wait_for("versitygw", lambda: _answers(address, port), 20, str(logs))
            yield server
        finally:
            process.terminate()


def _answers(address: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0
