"""The served endpoint: starts a Bento as a process, waits until it answers, stops it, and follows the champion.

A server is a group of processes of its own. It ends when it is told to, and also when whoever started it is gone
(`serving.service` watches), so that nothing is left that holds the port.
"""

import contextlib
import http.client
import ipaddress
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from components.config.home import Home
from components.core.errors import UsageError, UserError, unknown_name
from components.core.files import written_aside
from components.core.refs import digest_folder
from components.registry.promotion import Promotion, no_champion
from components.registry.versions import RegisteredVersion, models
from serving.bento import build, link

_READY_SECONDS = 120.0
_STOP_SECONDS = 15.0
_POLL_SECONDS = 3.0
_TAIL = 2000  # characters of the log that a failure shows


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A running server."""

    process: subprocess.Popen[bytes]
    host: str
    port: int
    log: Path
    scratch: Path
    """BentoML's own state while it runs; removed when it stops."""

    @property
    def url(self) -> str:
        """Where it answers."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def start(
    bento: Path,
    *,
    host: str,
    port: int,
    version: int | None,
    log: Path,
    ready_seconds: float = _READY_SECONDS,
) -> Endpoint:
    """Serve a Bento and return when it is ready.

    Args:
        bento: folder with ``bento.yaml``.
        host: an address of this machine, or its name.
        port: a free one.
        version: in the registry, told with every answer.
        log: where the server's words go; what was there is kept.
        ready_seconds: how long to wait.

    Raises:
        UsageError: the port is taken, or the host is none of this machine's.
        UserError: no Bento there, or it did not become ready; the message ends with the log's last lines.
    """
    if not (bento / "bento.yaml").is_file():
        raise UserError(f"no Bento in {bento}; `concord run CONFIG` builds one")
    address = _address(host)
    check_port(address, port)
    log.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="concord-serve-"))
    environment = {
        **os.environ,
        "BENTOML_HOME": str(scratch),
        "BENTOML_DO_NOT_TRACK": "True",
        "CONCORD_LAUNCHER": str(os.getpid()),
        "CONCORD_MODEL_VERSION": "" if version is None else str(version),
        "PYTHONDONTWRITEBYTECODE": "1",  # the Bento is the output of a step: it stays as it was built
    }
    for variable in ("PYTHONPATH", "CONCORD_PACKAGE"):
        environment.pop(variable, None)
    command = [
        sys.executable,
        "-m",
        "bentoml",
        "serve",
        str(bento.resolve()),
        "--host",
        address,
        "--port",
        str(port),
    ]
    with log.open("ab") as words:
        begin = words.tell()
        process = subprocess.Popen(
            command, cwd=bento.resolve(), env=environment, stdin=subprocess.DEVNULL, stdout=words, stderr=words,
            start_new_session=True,
        )  # fmt: skip
    endpoint = Endpoint(process=process, host=address, port=port, log=log, scratch=scratch)
    try:
        _wait_until_ready(endpoint, ready_seconds, begin)
    except BaseException:
        stop(endpoint)
        raise
    return endpoint


def stop(endpoint: Endpoint) -> None:
    """End a server and everything it started; returns when all of it is gone. Repeating it does nothing."""
    process = endpoint.process
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)  # workers that outlived their parent
    process.wait()
    shutil.rmtree(endpoint.scratch, ignore_errors=True)


def check_port(host: str, port: int) -> None:
    """Prove that a port can be listened on.

    Raises:
        UsageError: another process has it, or it may not be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UsageError(
                f"port {port} on {host} cannot be used ({error.strerror}){_holder(port)}; stop what uses it, or choose another "
                "with `--port`, or `serving.port` in the configuration"
            ) from error


def supervise(
    home: Home,
    model: str,
    *,
    host: str,
    port: int,
    told: Callable[[str], None],
    poll_seconds: float = _POLL_SECONDS,
) -> None:
    """Serve the champion until SIGINT or SIGTERM, and follow it: a promotion or rollback is served within seconds.

    The next Bento is built before the running server is stopped; between the two the port does not answer for as long as the
    new one takes to load (about ten seconds). If the new one does not start, the earlier one is served again.

    Args:
        home: the state folder.
        model: registered name.
        host: an address of this machine.
        port: a free one.
        told: gets one line for each thing that happens.
        poll_seconds: between looks at the ledger.

    Raises:
        UserError: no such model, no champion, or its Bento does not start.
    """
    promotion = Promotion(home, model)
    version = promotion.champion()
    if version is None:
        known = models(home)
        if model not in known and known:
            raise UserError(
                f"{unknown_name('model', model, known)}; `concord run CONFIG` registers one"
            )
        raise UserError(no_champion(model))
    check_port(_address(host), port)
    stopping = threading.Event()
    before = {
        s: signal.signal(s, lambda *_: _interrupt(stopping))
        for s in (signal.SIGINT, signal.SIGTERM)
    }
    endpoint: Endpoint | None = None
    try:
        endpoint = _serve(home, version, host, port)
        told(f"serving {model} version {version.version} at {endpoint.url}")
        refused: RegisteredVersion | None = None
        while not stopping.wait(poll_seconds):
            wanted = promotion.champion()
            if (code := endpoint.process.poll()) is not None:
                told(
                    f"the server ended by itself (exit code {code}); starting it again, log: {endpoint.log}"
                )
            elif wanted is None or wanted in (version, refused):
                continue
            following = version if wanted is None or wanted == refused else wanted
            endpoint, served = _swap(home, endpoint, version, following, host, port, told)
            refused = following if served != following else None
            version = served
    except _Stopped:
        pass
    finally:
        for number in before:
            signal.signal(number, signal.SIG_IGN)
        if endpoint is not None:
            stop(endpoint)
        for number, handler in before.items():
            signal.signal(number, handler)
    told("stopped")


class _Stopped(Exception):
    """SIGINT or SIGTERM came while something was being waited for."""


def _interrupt(stopping: threading.Event) -> None:
    stopping.set()
    raise _Stopped


def install(home: Home, version: RegisteredVersion, bento: Path) -> None:
    """Put a version's Bento, which a run has built, where `supervise` finds it; the same one again changes nothing.

    Raises:
        UserError: the state folder cannot be written.
    """
    target = _bentos(home, version)
    with _writing(home):
        if (target / "bento.yaml").is_file() and _code(target) == _code(bento):
            return
        with written_aside(target.parent) as aside:
            shutil.copytree(bento, aside / "bento", copy_function=link)


def bento_of(home: Home, version: RegisteredVersion) -> Path:
    """The Bento of a registered version, built from its package where no run has installed one.

    It is made aside and renamed, so that a killed build leaves nothing half.

    Raises:
        UserError: the version's package is gone, BentoML refused, or the state folder cannot be written.
    """
    target = _bentos(home, version)
    if not (target / "bento.yaml").is_file():
        package = Promotion(home, version.model).package_of(version)
        if not package.is_dir():
            raise UserError(
                f"the package of {version.model} version {version.version} is gone from {package}; "
                "run its configuration again, or roll back to another version"
            )
        with _writing(home), written_aside(target.parent) as aside:
            build(package, aside)
    return target


def _bentos(home: Home, version: RegisteredVersion) -> Path:
    return home.root / "bentos" / version.package_digest[:12] / "bento"


def _code(bento: Path) -> str:
    return digest_folder(bento / "src" / "components") + digest_folder(bento / "src" / "serving")


@contextlib.contextmanager
def _writing(home: Home) -> Iterator[None]:
    """One writer of Bentos at a time; a full disk or a read-only folder is one clear sentence."""
    folder = home.root / "bentos"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "write.lock"):
            yield
    except OSError as error:
        raise UserError(
            f"cannot write {folder} ({error.strerror or error}); free space there, make it writable, or set CONCORD_HOME"
        ) from error


def _serve(home: Home, version: RegisteredVersion, host: str, port: int) -> Endpoint:
    log = home.engines / f"serve-{version.model}-{port}.log"
    return start(bento_of(home, version), host=host, port=port, version=version.version, log=log)


def _swap(
    home: Home,
    endpoint: Endpoint,
    now: RegisteredVersion,
    wanted: RegisteredVersion,
    host: str,
    port: int,
    told: Callable[[str], None],
) -> tuple[Endpoint, RegisteredVersion]:
    """Serve ``wanted`` in the place of ``now``; if it does not start, serve ``now`` again."""
    try:
        bento_of(home, wanted)
    except UserError as error:
        told(
            f"still serving version {now.version}; version {wanted.version} cannot be built: {error}"
        )
        if endpoint.process.poll() is None:
            return endpoint, now
        raise
    stop(endpoint)
    try:
        endpoint = _serve(home, wanted, host, port)
    except UserError as error:
        if wanted == now:
            raise
        told(
            f"version {wanted.version} does not start, serving version {now.version} again: {error}"
        )
        return _serve(home, now, host, port), now
    told(f"serving {wanted.model} version {wanted.version} at {endpoint.url}")
    return endpoint, wanted


def _address(host: str) -> str:
    """The IP address of a host name, which is what BentoML takes.

    Raises:
        UsageError: the name has none.
    """
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return str(socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)[0][4][0])
    except OSError as error:
        raise UsageError(
            f"host {host!r} has no address ({error}); give one of this machine, such as 127.0.0.1"
        ) from error


def _holder(port: int) -> str:
    """Which process listens on a port, where the system tells us."""
    try:
        import psutil  # type: ignore[import-untyped]

        for found in psutil.net_connections("tcp"):
            if (
                found.laddr
                and found.laddr.port == port
                and found.status == psutil.CONN_LISTEN
                and found.pid
            ):
                return f": process {found.pid} ({psutil.Process(found.pid).name()}) listens there"
    except (ImportError, OSError, RuntimeError, psutil.Error):
        return ""
    return ""


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
    connection = http.client.HTTPConnection(endpoint.host, endpoint.port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _tail(endpoint: Endpoint, begin: int) -> str:
    with endpoint.log.open("rb") as words:
        words.seek(begin)
        text = words.read().decode("utf-8", "replace").strip()
    return (
        f"; its log, {endpoint.log}, ends with:\n{text[-_TAIL:]}"
        if text
        else f"; its log, {endpoint.log}, is empty"
    )
