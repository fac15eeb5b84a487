"""Output of a command: one JSON value for machines, text and a next step for people."""

import contextlib
import json
import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from components.core.errors import UserError
from components.core.failures import told
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


def give(work: Callable[[], Answer], *, as_json: bool) -> int:
    """Do the work, print its answer and return the exit code.

    A user's mistake, and what the system refused, is printed as one message.
    """
    for name, reason in reach_directly(os.environ).items():
        with contextlib.suppress(OSError):
            sys.stderr.write(f"note: {name} is not used: {reason}\n")
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
        return _fail(told(error), 1, as_json)
    except UnicodeError as error:
        return _fail(f"some text is not Unicode: {error}; rename or rewrite it", 1, as_json)
    except MemoryError:
        return _fail("out of memory; give less at once or free some", 1, as_json)
    return say(answer, as_json=as_json)


def _fail(message: str, code: int, as_json: bool) -> int:
    with contextlib.suppress(OSError):
        sys.stderr.write(f"error: {message}\n")
    return _print(_json({"error": message}), code) if as_json else code


def say(answer: Answer, *, as_json: bool) -> int:
    """Print an answer on standard output; returns the exit code."""
    if as_json:
        return _print(_json(answer.value), answer.exit_code)
    then = f"\nnext: {answer.then}\n" if answer.then else ""
    return _print(f"{answer.text.rstrip()}\n{then}", answer.exit_code)


def _json(value: object) -> str:
    """One line of JSON, escaped where standard output cannot show it; what is no number is null."""
    value = _finite(value)
    text = json.dumps(value, ensure_ascii=False, default=str) + "\n"
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(value, default=str) + "\n"
    return text


def _finite(value: object) -> object:
    """A tree with null for numbers that JSON lacks."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _print(text: str, code: int) -> int:
    """Write to standard output; a reader that has seen enough (``| head -1``) is not a failure."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left is not written at the end
        if not isinstance(error, BrokenPipeError):
            sys.stderr.write(f"error: standard output cannot be written: {error.strerror}\n")
            return 1
    return code


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
