"""Packages of registered versions, kept by digest beside the ledger that names them.

MLflow holds a copy for its users. What is compared and served is found here, and whatever happens
to MLflow's database or artifacts does not change it.
"""

import os
import shutil
from pathlib import Path

from components.config.home import Home
from components.core.files import link, written_aside
from components.core.refs import digest_folder
from components.exchange.exchange import OBJECTS, Exchange

_PACKAGE = "package"
SHARED = "CONCORD_PACKAGES"
"""Environment variable: a folder or object store where packages are put for services elsewhere."""


def place(home: Home, package_digest: str) -> Path:
    """The folder of a package, whether or not it exists."""
    return home.packages / package_digest / _PACKAGE


def is_intact(folder: Path, package_digest: str) -> bool:
    """Whether a folder holds the package of a digest."""
    return folder.is_dir() and digest_folder(folder) == package_digest


def keep(home: Home, package: Path, package_digest: str) -> None:
    """Keep a package under its digest; its files are linked where the file system can.

    Raises:
        UserError: the place that services share cannot be written.
    """
    if shared := os.environ.get(SHARED):
        Exchange(shared).put(package, package_digest)
    target = place(home, package_digest)
    if not is_intact(target, package_digest):
        with written_aside(target.parent) as aside:
            shutil.copytree(package, aside / _PACKAGE, copy_function=link)


def fetched(home: Home, package_digest: str) -> Path | None:
    """A verified copy of a package from the place that services share; None where there is none.

    Raises:
        UserError: it is not there, or not the one of the digest.
    """
    shared = os.environ.get(SHARED)
    if not shared:
        return None
    exchange = Exchange(shared)
    return exchange.fetch(
        f"{exchange.uri}/{OBJECTS}/{package_digest}", package_digest, home.packages / "fetched"
    )
