"""Output of a command: one JSON value for machines, text and a next step for people."""

import errno
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from components.core.errors import UserError
from components.core.loopback import reach_directly


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The outcome of a command."""

    value: Any
    """JSON."""
    text: str
    """For people."""
    then: str = ""
    """What to do next."""
    exit_code: int = 0


_REMEDIES = {
    errno.ENOSPC: "free disk space (`concord runs clean` removes outputs of old runs) "
    "or set CONCORD_HOME to a larger disk",
    errno.EROFS: "the file system is read-only; "
    "mount it writable or set CONCORD_HOME to a folder of yours",
    errno.EACCES: "you may not write there; "
    "change its permissions or set CONCORD_HOME to a folder of yours",
    errno.EDQUOT: "your disk quota is used up; free some or set CONCORD_HOME elsewhere",
}


def give(work: Callable[[], Answer], *, as_json: bool) -> int:
    """Do the work, print its answer and return the exit code.

    A user's mistake is printed as one message.
    """
    reach_directly(os.environ)
    try:
        if as_json:
            with stdout_kept():
                answer = work()
        else:
            answer = work()
    except UserError as error:
        return _fail(str(error), error.exit_code, as_json)
    except KeyboardInterrupt:
        return _fail(
            "interrupted; finished steps are kept, and the same command resumes", 1, as_json
        )
    except OSError as error:
        number = _errno(error)
        if (remedy := _REMEDIES.get(number)) is None:
            raise
        where = f" at {error.filename}" if error.filename else ""
        message = (
            f"{os.strerror(number)}{where}; {remedy}; nothing that was there before has changed"
        )
        return _fail(message, 1, as_json)
    say(answer, as_json=as_json)
    return answer.exit_code


def _errno(error: OSError) -> int:
    """The error number; `shutil.Error` has the numbers of many files in its text."""
    found = re.search(r"\[Errno (\d+)\]", str(error))
    return error.errno or (int(found[1]) if found else 0)


def _fail(message: str, code: int, as_json: bool) -> int:
    sys.stderr.write(f"error: {message}\n")
    if as_json:
        sys.stdout.write(json.dumps({"error": message}) + "\n")
    return code


def say(answer: Answer, *, as_json: bool) -> None:
    """Print an answer on standard output."""
    if as_json:
        sys.stdout.write(json.dumps(answer.value, ensure_ascii=False, default=str) + "\n")
    else:
        sys.stdout.write(
            answer.text.rstrip() + "\n" + (f"\nnext: {answer.then}\n" if answer.then else "")
        )
    sys.stdout.flush()


@contextmanager
def stdout_kept() -> Iterator[None]:
    """Redirect standard output to standard error, also that of child processes."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def table(rows: list[list[str]], header: list[str]) -> str:
    """Align columns of text.

    >>> print(table([["1", "promotion"]], ["version", "kind"]))
    version  kind
    1        promotion
    """
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in [header, *rows]
    )
