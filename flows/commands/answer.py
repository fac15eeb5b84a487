"""What a command says: one JSON value for machines, text and a next step for people."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


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


def say(answer: Answer, *, as_json: bool) -> None:
    """Print an answer on standard output."""
    if as_json:
        sys.stdout.write(json.dumps(answer.value, ensure_ascii=False, default=str) + "\n")
    else:
        sys.stdout.write(answer.text.rstrip() + "\n" + (f"\nnext: {answer.then}\n" if answer.then else ""))
    sys.stdout.flush()


@contextmanager
def stdout_kept() -> Iterator[None]:
    """Send everything that anyone, a child process too, writes to standard output to standard error instead."""
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
    """Columns of text, aligned.

    >>> print(table([["1", "promotion"]], ["version", "kind"]))
    version  kind
    1        promotion
    """
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in [header, *rows])
