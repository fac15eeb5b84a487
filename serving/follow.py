"""Serves the champion and follows the registry: promotions and rollbacks apply within seconds."""

import signal
import threading
from collections.abc import Callable

from components.config.home import Home
from components.core.errors import UserError, unknown_name
from components.registry.promotion import Promotion, no_champion
from components.registry.versions import RegisteredVersion, models
from serving.address import check_port, resolve
from serving.bentos import bento_of
from serving.process import Endpoint, start, stop

_POLL_SECONDS = 3.0


def supervise(
    home: Home,
    model: str,
    *,
    host: str,
    port: int,
    told: Callable[[str], None],
    poll_seconds: float = _POLL_SECONDS,
) -> None:
    """Serve the champion until SIGINT or SIGTERM, and follow promotions and rollbacks.

    The next Bento is built before the running server is stopped. The port does not answer while the
    new server loads (about ten seconds). If it does not start, the earlier one is served again.

    Args:
        home: the state folder.
        model: registered name.
        host: an address of this machine.
        port: a free port.
        told: receives one line for each event.
        poll_seconds: time between two reads of the ledger.

    Raises:
        UserError: no such model, no champion, or its Bento does not start.
    """
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
        endpoint = _serve(home, version, host, port)
        told(f"serving {model} version {version.version} at {endpoint.url}")
        refused: RegisteredVersion | None = None
        while not stopping.wait(poll_seconds):
            wanted = promotion.champion()
            if (code := endpoint.process.poll()) is not None:
                told(
                    f"the server ended by itself (exit code {code}); starting it again,"
                    f" log: {endpoint.log}"
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


def _serve(home: Home, version: RegisteredVersion, host: str, port: int) -> Endpoint:
    log = home.engines / f"serve-{version.model}-{port}.log"
    return start(
        bento_of(home, version),
        host=host,
        port=port,
        version=version.version,
        log=log,
        digest=version.package_digest,
    )


def _swap(
    home: Home,
    endpoint: Endpoint,
    now: RegisteredVersion,
    wanted: RegisteredVersion,
    host: str,
    port: int,
    told: Callable[[str], None],
) -> tuple[Endpoint, RegisteredVersion]:
    """Serve ``wanted`` instead of ``now``; if it does not start, serve ``now`` again."""
    try:
        bento_of(home, wanted)
    except UserError as error:
        told(
            f"still serving version {now.version};"
            f" version {wanted.version} cannot be built: {error}"
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
