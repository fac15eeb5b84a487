"""Serves the champion; the service itself follows promotions and rollbacks, within seconds.

This process starts the service, tells what it serves, and ends it. It also brings packages that are
in MLflow alone, which the service does not know.
"""

import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx

from components.config.home import Home
from components.core.errors import UserError, unknown_name
from components.registry.promotion import Promotion, no_champion
from components.registry.versions import RegisteredVersion, models
from serving.access import check_access
from serving.address import check_port, resolve
from serving.bentos import bento_of
from serving.process import Endpoint, start, stop
from serving.store.database import Database

_POLL_SECONDS = 3.0


def supervise(
    home: Home,
    model: str,
    *,
    host: str,
    port: int,
    told: Callable[[str], None],
    tls: tuple[Path, Path] | None = None,
    poll_seconds: float = _POLL_SECONDS,
) -> None:
    """Serve the champion until SIGINT or SIGTERM.

    A server that ends by itself is started again, with the champion of then.

    Args:
        home: the state folder.
        model: registered name.
        host: an address of this machine.
        port: a free port.
        told: receives one line for each event.
        tls: files of the certificate chain and of its key; None: without TLS.
        poll_seconds: time between two reads of the ledger.

    Raises:
        UserError: no such model, no champion, or its Bento does not start.
        UsageError: other machines reach the address and nobody has a token, or the port is taken.
    """
    with Database(home.store) as database:
        check_access(host, database)
    promotion = Promotion(home, model)
    version = _champion(promotion, home, model)
    check_port(resolve(host), port)
    stopping = threading.Event()
    before = {
        s: signal.signal(s, lambda *_: _interrupt(stopping))
        for s in (signal.SIGINT, signal.SIGTERM)
    }
    endpoint: Endpoint | None = None
    try:
        endpoint = _serve(home, version, host, port, tls)
        told(f"serving {model} version {version.version} at {endpoint.url}")
        serves = _Told(model, version.version, told)
        while not stopping.wait(poll_seconds):
            wanted = promotion.champion() or version
            if (code := endpoint.process.poll()) is not None:
                told(
                    f"the server ended by itself (exit code {code}); starting it again,"
                    f" log: {endpoint.log}"
                )
                stop(endpoint)
                endpoint = _serve(home, wanted, host, port, tls)
            if wanted.version != serves.version and not wanted.package.is_dir():
                with suppress(UserError):  # the service tells that it is missing
                    promotion.package_of(wanted)
            serves.look(endpoint)
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


class _Told:
    """Tells what the service serves, whenever it changes.

    Args:
        model: registered name.
        version: what it begins with.
        told: receives one line for each change.
    """

    def __init__(self, model: str, version: int, told: Callable[[str], None]) -> None:
        self._model, self.version, self._say = model, version, told
        self._refused: int | None = None

    def look(self, endpoint: Endpoint) -> None:
        """Ask the service."""
        try:
            found = httpx.get(  # its own server, whatever name the certificate has
                f"{endpoint.url}/readyz",
                trust_env=False,
                timeout=5,
                verify=False,  # noqa: S501
            ).json()
        except (httpx.HTTPError, ValueError):
            return
        version, refused = found.get("version"), found.get("refused")
        if version is not None and version != self.version:
            self.version = version
            self._say(f"serving {self._model} version {version} at {endpoint.url}")
        if refused is not None and refused != self._refused:
            self._say(
                f"version {refused} cannot be served, version {self.version} stays;"
                f" why: {endpoint.log}"
            )
        self._refused = refused


def _champion(promotion: Promotion, home: Home, model: str) -> RegisteredVersion:
    """The version to begin with.

    Raises:
        UserError: no such model, or no champion.
    """
    version = promotion.champion()
    if version is not None:
        return version
    known = models(home)
    if known and model not in known:
        raise UserError(
            f"{unknown_name('model', model, known)}; `concord run CONFIG` registers one"
        )
    raise UserError(no_champion(model))


class _Stopped(Exception):
    """SIGINT or SIGTERM arrived during a wait."""


def _interrupt(stopping: threading.Event) -> None:
    stopping.set()
    raise _Stopped


def _serve(
    home: Home,
    version: RegisteredVersion,
    host: str,
    port: int,
    tls: tuple[Path, Path] | None,
) -> Endpoint:
    return start(
        bento_of(home, version),
        host=host,
        port=port,
        version=version.version,
        log=home.engines / f"serve-{version.model}-{port}.log",
        digest=version.package_digest,
        follow=(home.root, version.model),
        tls=tls,
    )
