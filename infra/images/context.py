"""The build context of an image with one model package in it: what ``docker build`` takes.

It has the code and locks of the serving image and the package, and nothing of the machine that
wrote it; ``docker build`` downloads the libraries, checked by their hashes.
"""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from components.core.errors import UserError
from components.core.files import link
from components.core.refs import digest_folder
from components.pods.code import code_digest
from infra.images import CHECKOUT, FOLDER

_CODE = ("components", "serving")
_LOCKS = ("install.sh", "slim.sh", "cut.py", "tools.lock")
_USER = "USER 65532:65532\n"
"""The line of the Dockerfile before which files are added."""


def write(package: Path, out: Path, version: int | None, libraries: Sequence[str] = ()) -> None:
    """Write the context into an empty folder.

    Args:
        package: the model package.
        out: the folder.
        version: in the registry, part of every answer.
        libraries: the distributions that the model needs: the image has the least of three locks
            that has them. With code of the model's own it has torch and every encoder.

    Raises:
        UserError: this installation has no Dockerfile; a checkout has. Or no lock has a library.
    """
    dockerfile = FOLDER / "serve.Dockerfile"
    if not dockerfile.is_file():
        raise UserError(
            f"there is no {dockerfile}: an image is packaged from a checkout of Concord"
        )
    # The small image lacks most of SciPy, of which own code may use anything.
    own = next(package.rglob("*.py"), None) is not None
    lock = _lock_with(libraries, ("whole",) if own else ("exact", "serve", "whole"))
    for name in _CODE:
        ignored = shutil.ignore_patterns("__pycache__", ".*")
        shutil.copytree(CHECKOUT / name, out / name, ignore=ignored)
    (out / "infra" / "images").mkdir(parents=True)
    for name in (*_LOCKS, f"{lock}.lock"):
        shutil.copyfile(FOLDER / name, out / "infra" / "images" / name)
    shutil.copytree(package, out / "package", copy_function=link)
    text = dockerfile.read_text(encoding="utf-8")
    text = text.replace("ARG LOCK=serve\n", f"ARG LOCK={lock}\n")
    text = text.replace("ARG CODE\n", f"ARG CODE={code_digest(out / 'components')}\n")
    environment = {
        "CONCORD_PACKAGE": "/model",
        "CONCORD_PACKAGE_DIGEST": digest_folder(package),
        **({} if version is None else {"CONCORD_MODEL_VERSION": str(version)}),
    }
    added = "COPY package /model\nENV " + " ".join(f"{k}={v}" for k, v in environment.items())
    before, user, after = text.partition(_USER)
    (out / "Dockerfile").write_text(f"{before}{added}\n{user}{after}", encoding="utf-8")


def _lock_with(libraries: Sequence[str], locks: Sequence[str]) -> str:
    lacking: set[str] = set()
    for lock in locks:
        text = (FOLDER / f"{lock}.lock").read_text(encoding="utf-8")
        lacking = set(libraries) - set(re.findall(r"^([a-z0-9.-]+)", text, re.MULTILINE))
        if not lacking:
            return lock
    raise UserError(
        f"the model needs {', '.join(sorted(lacking))}, which no lock of an image has; "
        "add it to an extra that `infra/images/__init__.py` names, and run `make image-locks`"
    )
