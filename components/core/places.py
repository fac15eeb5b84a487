"""Places of data: a local path, in which no character means anything else, or a URL."""

import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from components.core.errors import UsageError, UserError

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def is_url(place: str) -> bool:
    """Whether a place is a URL; everything else is a local path.

    >>> is_url("s3://bucket/set"), is_url("/data/a::b"), is_url("/data/odd://name")
    (True, False, False)
    """
    return _URL.match(place) is not None


def local(place: str) -> Path | None:
    """The path of a local place, ``file://`` and a path included; None for another URL.

    >>> str(local("file:///data/100% [new]#1")), local("s3://bucket/set")
    ('/data/100% [new]#1', None)
    """
    path = place.removeprefix("file://")
    return None if is_url(path) else Path(path)


def in_utf8(place: str | Path) -> str:
    """A place whose name can be written in a file; the libraries take no other.

    Raises:
        UsageError: its name is not valid UTF-8.
    """
    try:
        str(place).encode()
    except UnicodeEncodeError:
        shown = os.fsencode(place).decode("utf-8", "backslashreplace")
        raise UsageError(
            f"{shown}: the name of this file or of a folder around it has bytes that are not "
            "UTF-8; rename it"
        ) from None
    return str(place)


def expanded(path: str | Path) -> Path:
    """A path whose ``~`` or ``~user`` is a home; the name stays where there is no such user."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path.expanduser raises RuntimeError


def sqlite_url(path: Path, driver: str = "sqlite") -> str:
    """SQLAlchemy's URL of a file of SQLite, whose path ends at a question mark unless quoted.

    >>> sqlite_url(Path("/a b/x.db")), sqlite_url(Path("/what?/x.db"))
    ('sqlite:////a b/x.db', 'sqlite:///file:/what%3F/x.db?uri=true')
    """
    if "?" not in str(path):
        return f"{driver}:///{path}"
    return f"{driver}:///file:{quote(str(path))}?uri=true"


def opened(place: str, **options: object) -> tuple[Any, str]:
    """The fsspec file system of a place, and the path of the place on it.

    ``fsspec.core.url_to_fs`` gives ``::`` in a path a meaning of its own.

    Args:
        place: a local path, or a URL.
        options: of the file system.

    Raises:
        UserError: the URL's scheme needs a package that is not installed, or is unknown.
    """
    import fsspec

    if (path := local(place)) is not None:
        return fsspec.filesystem("file", **options), os.path.abspath(path)  # noqa: PTH100
    try:
        family = fsspec.get_filesystem_class(place.partition("://")[0])
    except (ImportError, ValueError) as error:
        raise UserError(
            f"got {place}, wanted a folder or a URL of an installed file system: {error}"
        ) from error
    root = str(family._strip_protocol(place))
    return family(**(family._get_kwargs_from_urls(place) | options)), root


def files_in(filesystem: Any, folder: str, suffix: str) -> list[str]:  # noqa: ANN401
    """Places of the files of a suffix directly in a folder, sorted; none without the folder.

    Hidden files are left out: archives and shares leave them behind (``._records.parquet``). Files
    are listed, since a glob would read the folder's own path as a pattern.
    """
    try:
        listed = filesystem.ls(folder, detail=True)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(
        place
        for info in listed
        if (place := str(info["name"])).lower().endswith(suffix)
        and not place.rpartition("/")[2].startswith(".")
        and (info["type"] == "file" or (info.get("islink") and filesystem.isfile(place)))
    )


def is_regular(state: os.stat_result) -> bool:
    """Whether a file has content of its own; a pipe, a socket or a device has none."""
    return stat.S_ISREG(state.st_mode)


def files_below(
    folder: Path, left: Callable[[str, str], object] = lambda _name, _why: None
) -> Iterator[tuple[str, os.stat_result]]:
    """The relative name and the state of every regular file below a folder, sorted by folder.

    Links to files and folders are followed; a link to one of its own parent folders ends there.

    Args:
        folder: where to look.
        left: receives the name of everything that is left out, and why.
    """
    yield from _below(folder, "", (_identity(folder.stat()),), left)


def _below(
    folder: Path,
    prefix: str,
    above: tuple[tuple[int, int], ...],
    left: Callable[[str, str], object],
) -> Iterator[tuple[str, os.stat_result]]:
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        left(prefix.rstrip("/") or str(folder), f"a folder that cannot be read ({error.strerror})")
        return
    for entry in entries:
        name = prefix + entry.name
        try:
            state = entry.stat()
        except OSError:
            left(name, "a link that leads nowhere" if entry.is_symlink() else "gone meanwhile")
            continue
        if stat.S_ISDIR(state.st_mode):
            if _identity(state) in above:
                left(name, "a link to a folder around it")
            else:
                yield from _below(Path(entry.path), f"{name}/", (*above, _identity(state)), left)
        elif is_regular(state):
            yield name, state
        else:
            left(name, "a pipe, socket or device")


def _identity(state: os.stat_result) -> tuple[int, int]:
    return state.st_dev, state.st_ino
