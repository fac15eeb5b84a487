"""Starts the server of a Bento, waits until it answers, and stops it.

A server is a process group of its own. It ends on request, and also when its launcher has ended
(`serving.service` watches the launcher), so that no orphan holds the port.
"""

import contextlib
import http.client
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from components.core.errors import UsageError, UserError
from components.core.process import started as began
from serving.address import check_port, resolve
from serving.defaults import KEEP_ALIVE_SECONDS

_READY_SECONDS = 120.0
_STOP_SECONDS = 15.0
_LITTLE = {"MALLOC_ARENA_MAX": "2", "ARROW_DEFAULT_MEMORY_POOL": "system"}
"""Free memory lies in one place, from where it goes back, and not in one for each thread."""
_TAIL = 2000
"""Characters of the log that a failure shows."""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A running server."""

    process: subprocess.Popen[bytes]
    host: str
    port: int
    log: Path
    scratch: Path
    """BentoML's own state while it runs; removed when it stops."""
    tls: bool = False
    """Whether it answers with TLS alone."""

    @property
    def url(self) -> str:
        """Where it answers."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http{'s' if self.tls else ''}://{host}:{self.port}"


def start(
    bento: Path,
    *,
    host: str,
    port: int,
    version: int | None,
    log: Path,
    digest: str | None = None,
    follow: tuple[Path, str] | None = None,
    tls: tuple[Path, Path] | None = None,
    ready_seconds: float = _READY_SECONDS,
) -> Endpoint:
    """Serve a Bento and return when it is ready.

    Args:
        bento: folder with ``bento.yaml``.
        host: an address of this machine, or its name.
        port: a free port.
        version: version in the registry, part of every answer.
        log: receives the output of the server; earlier output is kept.
        digest: the digest that the model package must have; None accepts any.
        follow: the state folder and the registered model whose champion is served from then on.
        tls: files of the certificate chain and of its key; None: without TLS.
        ready_seconds: how long to wait.

    Raises:
        UsageError: the port is taken, or the host is not this machine.
        UserError: no Bento there, or it did not become ready; the message ends with the last lines
            of the log.
    """
    if not (bento / "bento.yaml").is_file():
        raise UserError(f"no Bento in {bento}; `concord run CONFIG` builds one")
    address = resolve(host)
    secure = _ssl(tls)
    check_port(address, port)
    log.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="concord-serve-"))
    program = [sys.executable, "-m", "bentoml", "serve", str(bento.resolve())]
    program += ["--timeout-keep-alive", str(KEEP_ALIVE_SECONDS)]
    with log.open("ab") as output:
        begin = output.tell()
        process = subprocess.Popen(
            [*program, "--host", address, "--port", str(port), *secure],
            cwd=bento.resolve(),
            env=_environment(scratch, version, digest, follow, address),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    endpoint = Endpoint(
        process=process, host=address, port=port, log=log, scratch=scratch, tls=tls is not None
    )
    try:
        _wait_until_ready(endpoint, ready_seconds, begin)
    except BaseException:
        stop(endpoint)
        raise
    return endpoint


def stop(endpoint: Endpoint) -> None:
    """End a server and all processes that it started, and wait for them; safe to repeat."""
    process = endpoint.process
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)  # workers that outlived their parent
    process.wait()
    shutil.rmtree(endpoint.scratch, ignore_errors=True)


def _ssl(tls: tuple[Path, Path] | None) -> list[str]:
    """BentoML's options for TLS.

    Raises:
        UsageError: no certificate or key there, or they do not belong together.
    """
    if tls is None:
        return []
    certificate, key = (file.absolute() for file in tls)
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"--cert {certificate}, --key {key}: {error.strerror or error}; wanted a chain of "
            "certificates and its key without a password, both in PEM"
        ) from error
    return ["--ssl-certfile", str(certificate), "--ssl-keyfile", str(key)]


def _environment(
    scratch: Path,
    version: int | None,
    digest: str | None,
    follow: tuple[Path, str] | None,
    address: str,
) -> dict[str, str]:
    """What the service reads, and nothing that would lead it to other code."""
    environment = {
        **os.environ,
        "BENTOML_HOME": str(scratch),
        "BENTOML_DO_NOT_TRACK": "True",
        "CONCORD_HOST": address,
        "CONCORD_LAUNCHER": str(os.getpid()),
        "CONCORD_LAUNCHER_BEGAN": began(os.getpid()),
        "CONCORD_MODEL_VERSION": "" if version is None else str(version),
        "CONCORD_PACKAGE_DIGEST": digest or "",
        **_LITTLE,
        "PYTHONDONTWRITEBYTECODE": "1",  # the Bento is the output of a step and must not change
    }
    for variable in ("PYTHONPATH", "CONCORD_PACKAGE", "CONCORD_FOLLOW"):
        environment.pop(variable, None)
    environment.setdefault("CONCORD_HOME", str(scratch))
    if follow is not None:
        environment |= {"CONCORD_HOME": str(follow[0]), "CONCORD_FOLLOW": follow[1]}
    return environment


def _wait_until_ready(endpoint: Endpoint, seconds: float, begin: int) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if (code := endpoint.process.poll()) is not None:
            raise UserError(
                f"the server ended before it was ready (exit code {code}){_tail(endpoint, begin)}"
            )
        if _is_ready(endpoint):
            return
        time.sleep(0.1)
    raise UserError(f"the server was not ready after {seconds:.0f} s{_tail(endpoint, begin)}")


def _is_ready(endpoint: Endpoint) -> bool:
    if endpoint.tls:  # its own server on this machine, whatever name the certificate has
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            endpoint.host,
            endpoint.port,
            timeout=5,
            context=ssl._create_unverified_context(),  # noqa: S323
        )
    else:
        connection = http.client.HTTPConnection(endpoint.host, endpoint.port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _tail(endpoint: Endpoint, begin: int) -> str:
    with endpoint.log.open("rb") as output:
        output.seek(begin)
        text = output.read().decode("utf-8", "replace").strip()
    return (
        f"; its log, {endpoint.log}, ends with:\n{text[-_TAIL:]}"
        if text
        else f"; its log, {endpoint.log}, is empty"
    )
