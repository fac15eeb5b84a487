"""What the system refused, in one sentence for people: reading is not writing."""

import errno
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

from components.core.errors import UserError

_DISK = (
    "free disk space (`concord runs clean` removes outputs of old runs) "
    "or set CONCORD_HOME to a larger disk"
)
_WRITING = {
    errno.ENOSPC: _DISK,
    errno.EDQUOT: "your disk quota is used up; free some or set CONCORD_HOME elsewhere",
    errno.EROFS: "the file system is read-only; "
    "mount it writable or set CONCORD_HOME to a folder of yours",
}
_REMEDIES = {
    errno.ENOENT: "give a path that exists",
    errno.ENOTDIR: "a part of the path is a file; give another path",
    errno.EISDIR: "a folder is there; give the path of a file",
    errno.ENAMETOOLONG: "give a shorter name",
    errno.ELOOP: "a link leads back to itself; remove it",
    errno.EMFILE: "raise the limit of open files (`ulimit -n 4096`) and try again",
    errno.ENFILE: "the machine has too many open files; close programs and try again",
    errno.EIO: "the device reports a fault; look at the system's log",
    errno.ENOMEM: "close programs, or work on a machine with more memory",
    errno.EPIPE: "the program at the other end has ended",
    errno.ECONNREFUSED: "nothing listens there; check that the server runs",
}
_DENIED = (errno.EACCES, errno.EPERM)


def ended(work: Callable[[], int | None]) -> int:
    """The exit code of a small program; a failure that is not its own is one sentence.

    Args:
        work: does everything; None means success.
    """
    try:
        return work() or 0
    except UserError as error:
        message, code = str(error), error.exit_code
    except OSError as error:
        message, code = told(error), 1
    except KeyboardInterrupt:
        message, code = "interrupted", 1
    sys.stderr.write(f"{message}\n")
    return code


def told(error: OSError) -> str:
    """The system's own words, the place and what to do.

    >>> told(IsADirectoryError(21, "Is a directory", "a/b"))
    'Is a directory: a/b; a folder is there; give the path of a file'
    """
    number = _number(error)
    if not number:
        return f"the system refused: {' '.join(str(error).split()) or type(error).__name__}"
    what = os.strerror(number)
    where = f": {os.fsdecode(error.filename)}" if isinstance(error.filename, str | bytes) else ""
    if number in _DENIED:
        return f"{what}{where}; {_permission(error.filename)}"
    if number in _WRITING:
        return f"{what}{where}; {_WRITING[number]}; nothing that was there before has changed"
    remedy = _REMEDIES.get(number)
    return f"{what}{where}" + (f"; {remedy}" if remedy else "")


def _permission(place: object) -> str:
    """Which permission lacks: an existing file that may not be read was to be read."""
    if isinstance(place, str | bytes):
        path = Path(os.fsdecode(place))
        try:
            unreadable = path.exists() and not os.access(path, os.R_OK)
        except OSError:  # a folder above it may not be entered
            return "you may not enter the folder; change its permissions or give another path"
        if unreadable:
            return "you may not read it; change its permissions or give another path"
    return (
        "you may not write there; change its permissions or set CONCORD_HOME to a folder of yours; "
        "nothing that was there before has changed"
    )


def _number(error: OSError) -> int:
    """The error number; `shutil.Error` has the numbers of many files in its text."""
    found = re.search(r"\[Errno (\d+)\]", str(error))
    return error.errno or (int(found[1]) if found else 0)
