"""The folder for temporary files: found and large enough before work begins.

Databases are migrated and reports are rendered through it. Python silently passes over one that
cannot be written; one that is full would be noticed in the middle of a run.
"""

import os
import shutil
import tempfile

from components.config.home import Home
from components.core.errors import UserError
from components.core.progress import Say

NEEDED = 64 << 20
"""Bytes; a first start of the engines and Data Docs take some 8 MB."""


def trouble() -> str:
    """What is wrong with the system's folder for temporary files; empty if nothing is."""
    tempfile.tempdir = None  # it may have filled up, or TMPDIR may be another one by now
    try:
        place = tempfile.gettempdir()
    except FileNotFoundError as error:
        return f"there is no folder for temporary files ({error.strerror})"
    free = shutil.disk_usage(place).free
    if free < NEEDED:
        return f"{place} has {free >> 20} MiB free, wanted {NEEDED >> 20}"
    return ""


def settle(home: Home, say: Say) -> None:
    """Use a folder of the home where the system's has no room, and say so.

    Raises:
        UserError: the home has none either.
    """
    if not (reason := trouble()):
        return
    own = home.root / "tmp"
    own.mkdir(parents=True, exist_ok=True)
    os.environ["TMPDIR"] = str(own)
    if here := trouble():
        raise UserError(
            f"{reason}; {here}; free space there, or set TMPDIR to a folder with "
            f"{NEEDED >> 20} MiB that you may write"
        )
    say(f"temporary files go to {own}, because {reason}")
