"""The main program of a serving pod: serves a model package from a folder or a URI.

``CONCORD_FOLLOW`` names a registered model: its champion is served, and followed, as the ledger at
``CONCORD_DATABASE_URL`` names it; ``CONCORD_PACKAGES`` is where its packages are put. Otherwise
``CONCORD_PACKAGE`` names the package or the Bento around it: a folder, or a URI that fsspec reads
(``s3://bucket/prefix``, with the AWS variables of the environment). ``CONCORD_PACKAGE_DIGEST`` is
the digest that the package must have, as ``concord ledger --json`` shows it. From a URI nothing is
served without it: whoever can write there can also write the list inside the package.

A pod is reached by others: it needs a store with a token (``CONCORD_DATABASE_URL``, or a volume
that ``CONCORD_HOME`` names), or ``CONCORD_OPEN=1`` where a proxy in front checks who asks.
"""

import os
import sys
import tempfile
from pathlib import Path

from components.config.home import served
from components.core.errors import UserError
from components.core.failures import ended
from components.core.refs import digest_folder
from components.exchange.exchange import Exchange
from serving.access import HOST, check_access
from serving.defaults import DIGEST, FOLLOW, KEEP_ALIVE_SECONDS, PACKAGE, PORT, VERSION
from serving.live.follow import champion_of
from serving.store.database import Database

_ABOUT = "model.json"
_ADDRESS = "0.0.0.0"  # noqa: S104 - all addresses of the pod


def package(place: str, digest: str | None, scratch: Path) -> Path:
    """The local folder of a package.

    Args:
        place: folder or URI of the package, or of a Bento that contains it.
        digest: the digest that the package must have; None accepts any in a folder.
        scratch: an existing folder for fetched files.

    Raises:
        UserError: no package there, or one with another digest, or a URI without a digest.
    """
    remote = "://" in place and not place.startswith("file://")
    if remote and not digest:
        raise UserError(
            f"{PACKAGE}: {place} can be written by others, so {DIGEST} must say which package is "
            "wanted; set it to the digest that `concord ledger --json` shows for the version"
        )
    folder = Path(place.removeprefix("file://"))
    if remote:
        source, folder = Exchange(place), scratch / "package"
        source.copy_out("", source.listing(""), folder)
    found = next(
        (
            f
            for f in (folder, folder / "src" / "package", folder / "package")
            if (f / _ABOUT).is_file()
        ),
        None,
    )
    if found is None:
        raise UserError(
            f"{PACKAGE}: no model package at {place} (no {_ABOUT});"
            " mount one, or name the URI of one"
        )
    if digest and (got := digest_folder(found)) != digest:
        raise UserError(
            f"{PACKAGE}: {place} has digest {got[:12]}, wanted {digest[:12]};"
            " name the package that was registered"
        )
    return found


def main() -> None:
    """Replace this process with BentoML's server of the package."""
    port = os.environ.get("PORT", str(PORT))
    with Database(served().store) as database:
        check_access(_ADDRESS, database)
    if model := os.environ.get(FOLLOW):
        version, folder = champion_of(served(), model)
        os.environ |= {DIGEST: version.package_digest, VERSION: str(version.version)}
    else:
        scratch = Path(tempfile.mkdtemp(prefix="concord-package-"))
        place = os.environ.get(PACKAGE) or "/model"
        folder = package(place, os.environ.get(DIGEST), scratch)
    os.environ |= {PACKAGE: str(folder), HOST: _ADDRESS}
    command = [
        sys.executable,
        "-m",
        "bentoml",
        "serve",
        "serving.service:Concord",
        "--host",
        _ADDRESS,
        "--port",
        port,
        "--timeout-keep-alive",
        str(KEEP_ALIVE_SECONDS),
    ]
    os.execv(command[0], command)  # noqa: S606  # signals of the pod reach the server itself


if __name__ == "__main__":
    sys.exit(ended(main))
