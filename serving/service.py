"""The prediction service that runs inside a Bento. The only importer of bentoml.

Beside this file's folder the Bento contains ``components`` and the model ``package``. The launcher
passes the registry's version as an environment variable, since the same Bento may be registered
anywhere.
"""

import os
import signal
import threading
from functools import cached_property
from pathlib import Path

import bentoml
import yaml
from bentoml._internal import server as _bentoml_server

from components.core.errors import UserError
from components.core.process import is_alive
from components.prediction.format import check_package
from serving.http.app import build
from serving.http.limits import Limits
from serving.live.answers import Answers

PACKAGE, DIGEST = "CONCORD_PACKAGE", "CONCORD_PACKAGE_DIGEST"
"""Environment variables: another place of the package, and the digest that it must have."""
VERSION = "CONCORD_MODEL_VERSION"
LAUNCHER, LAUNCHER_BEGAN = "CONCORD_LAUNCHER", "CONCORD_LAUNCHER_BEGAN"
"""Environment variables: the registry's version, and the number and start of the process whose end
also ends the service."""

_REQUEST_SECONDS = 60
_WAITING = 64  # requests at once; further ones are refused as busy
_LEASH_SECONDS = 1.0


def _package() -> Path:
    folder = Path(os.environ.get(PACKAGE) or Path(__file__).parents[1] / "package")
    if not (folder / "model.json").is_file():
        raise UserError(
            f"no model package in {folder}: serve a Bento that a run built, or set {PACKAGE}"
        )
    return folder


def _version() -> int | None:
    given = os.environ.get(VERSION, "")
    return int(given) if given else None


_PACKAGE, _DIGEST = _package(), os.environ.get(DIGEST) or None
if _DIGEST:  # before any of its code is imported; its other files are read when it is loaded
    check_package(_PACKAGE, verify=False, wanted=_DIGEST)
_LIMITS = Limits.read(_PACKAGE)


class _Loaded:
    """The package, loaded on first use: building a Bento reads this module, but needs no model."""

    @cached_property
    def answers(self) -> Answers:
        name = yaml.safe_load((_PACKAGE / "config.yaml").read_text(encoding="utf-8"))["name"]
        return Answers.load(_PACKAGE, limits=_LIMITS, name=name, version=_version(), digest=_DIGEST)


_loaded = _Loaded()
_app = build(
    _LIMITS,
    lambda: _loaded.answers,
    assets=Path(_bentoml_server.__file__).parent / "static_content",
)


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


@bentoml.service(
    name="concord",
    workers=1,
    traffic={"timeout": _REQUEST_SECONDS, "max_concurrency": _WAITING},
    logging={"access": {"enabled": False}},
)
@bentoml.asgi_app(_app, path="/")
class Concord:
    """One model package as a classifier and a search engine; /docs describes the interface."""

    def __init__(self) -> None:
        threading.Thread(target=_leash, args=(os.getppid(),), daemon=True).start()
        _loaded.answers  # noqa: B018 - load the model before the service reports that it is ready
