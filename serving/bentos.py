"""The Bentos of registered versions in the state folder, installed by a run or built on demand."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock

from components.config.home import Home
from components.core.errors import UserError
from components.core.files import link, written_aside
from components.core.refs import digest_folder
from components.registry.packages import is_intact
from components.registry.promotion import Promotion
from components.registry.versions import RegisteredVersion
from serving.bento import build
from serving.served import has_todays_code


def install(home: Home, version: RegisteredVersion, bento: Path) -> None:
    """Install the Bento of a version, built by a run, where `follow.supervise` finds it.

    Repeating it changes nothing.

    Raises:
        UserError: the state folder cannot be written.
    """
    target = _bentos(home, version)
    with _writing(home):
        whole = is_intact(target / "src" / "package", version.package_digest)
        if whole and (target / "bento.yaml").is_file() and _code(target) == _code(bento):
            return
        with written_aside(target.parent) as aside:
            shutil.copytree(bento, aside / "bento", copy_function=link)


def bento_of(home: Home, version: RegisteredVersion) -> Path:
    """The Bento of a registered version, built from its package unless one of today's code exists.

    It is built under a temporary name and renamed, so that a killed build leaves nothing
    incomplete.

    Raises:
        UserError: the package of the version does not exist or is another one, BentoML refused, or
            the state folder cannot be written.
    """
    target = _bentos(home, version)
    if not (target / "bento.yaml").is_file() or not has_todays_code(target):
        package = Promotion(home, version.model).package_of(version)
        with _writing(home), written_aside(target.parent) as aside:
            build(package, aside)
    packed = target / "src" / "package"
    if (got := digest_folder(packed)) != version.package_digest:
        raise UserError(
            f"the Bento of {version.model} version {version.version} in {target} holds a package "
            f"of digest {got[:12]}, wanted {version.package_digest[:12]} as in the ledger; delete "
            "that folder, and it is built again from the registered package"
        )
    return target


def _bentos(home: Home, version: RegisteredVersion) -> Path:
    return home.root / "bentos" / version.package_digest[:12] / "bento"


def _code(bento: Path) -> str:
    return digest_folder(bento / "src" / "components") + digest_folder(bento / "src" / "serving")


@contextlib.contextmanager
def _writing(home: Home) -> Iterator[None]:
    """Lock the folder of Bentos; a full disk or a read-only folder raises a clear ``UserError``."""
    folder = home.root / "bentos"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "write.lock"):
            yield
    except OSError as error:
        raise UserError(
            f"cannot write {folder} ({error.strerror or error});"
            " free space there, make it writable, or set CONCORD_HOME"
        ) from error
