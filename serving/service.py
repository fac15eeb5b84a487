"""The prediction service that runs inside a Bento. The only importer of bentoml.

Beside this file's folder the Bento contains ``components`` and the model ``package``. The launcher
passes the registry's version as an environment variable, since the same Bento may be registered
anywhere; and perhaps the model whose champion the service follows from then on.
"""

import os
import signal
import threading
from functools import cache
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import bentoml

from components.core.process import is_alive

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from serving.worker import Serving

LAUNCHER, LAUNCHER_BEGAN = "CONCORD_LAUNCHER", "CONCORD_LAUNCHER_BEGAN"
"""Environment variables: the number and start of the process whose end also ends the service."""

_LEASH_SECONDS = 1.0
_DRAIN_SECONDS = 0.5
_DAY = 86_400  # BentoML wants a limit; the front has its own, which a client can shorten


@cache
def _serving() -> "Serving":
    """The service; imported late, since BentoML's supervisor reads this file and needs none."""
    from bentoml._internal import server as bentoml_server

    from serving.worker import Serving

    return Serving(
        own=Path(__file__).parents[1] / "package",
        assets=Path(bentoml_server.__file__).parent / "static_content",
    )


class _Whole:
    """Lets the front answer everything, BentoML's own paths too."""

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        inner = self._app if scope["type"] == "lifespan" else _serving().front
        await inner(scope, receive, send)


def _leash(parent: int) -> None:
    """Stop the service when its parent process or its launcher has ended, to free the port."""
    launcher, began = int(os.environ.get(LAUNCHER) or 0), os.environ.get(LAUNCHER_BEGAN, "")
    pause = threading.Event()
    while not pause.wait(_LEASH_SECONDS):
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)
            return
        if launcher and not is_alive(launcher, began):
            os.kill(parent, signal.SIGTERM)
            return


def _drain_first() -> None:
    """Let a stop begin with a while in which everybody is answered and told to connect no more.

    The server closes connections on which nothing is asked at once, also those on which a request
    is on its way; a balancer sees that this replica is not ready.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    ends = signal.getsignal(signal.SIGTERM)
    if not callable(ends):
        return

    def begin(number: int, frame: FrameType | None) -> None:
        _serving().live.ending = True
        threading.Timer(_DRAIN_SECONDS, ends, (number, frame)).start()

    signal.signal(signal.SIGTERM, begin)


@bentoml.service(
    name="concord",
    workers=1,
    traffic={"timeout": _DAY},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
)
class Concord:
    """One model as a classifier and a search engine; /docs describes the interface."""

    def __init__(self) -> None:
        threading.Thread(target=_leash, args=(os.getppid(),), daemon=True).start()
        _drain_first()
        try:
            _serving().begin()  # before the service reports that it is ready
        except Exception:
            # BentoML would start a worker that cannot begin again and again.
            os.kill(os.getppid(), signal.SIGTERM)
            raise

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def end(self) -> None:
        """Write what waits to be written."""
        _serving().end()


Concord.add_asgi_middleware(_Whole)  # type: ignore[attr-defined]
