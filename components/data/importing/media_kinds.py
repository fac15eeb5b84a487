"""Which kind reads a file: by its suffix, and by its content where a name has none."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from components.parts import loading as parts
from components.parts.guess import Column

_SUFFIX = re.compile(r"\.[a-z][a-z0-9]{0,8}")
_MOST = 64 << 20
"""Bytes of the largest file that is read to find out what it is."""


def kinds_with(*raws: str) -> list[str]:
    """Names of the offered kinds with one of these raw types, in the order of the types."""
    offered = {name: parts.load("kinds", name).RAW for name in parts.available("kinds")}
    return [name for raw in raws for name, its in offered.items() if its == raw]


@cache
def suffixes() -> Mapping[str, str]:
    """Suffix to the kind that reads such files."""
    return MappingProxyType(
        {s: name for name in kinds_with("bytes") for s in parts.load("kinds", name).SUFFIXES}
    )


def remedy(suffix: str) -> str:
    """What to do about files of a suffix that is known and not read; empty for other suffixes."""
    kinds = (parts.load("kinds", name) for name in kinds_with("bytes"))
    unread = (getattr(kind, "UNREAD", {}).get(suffix, "") for kind in kinds)
    return next(filter(None, unread), "")


def suffix_of(name: str) -> str:
    """The suffix of a name in lower case; empty where what follows the last point is none.

    >>> [suffix_of(name) for name in ("a/P1.PNG", "scan 2021.05.03", "1f0c", ".png")]
    ['.png', '', '', '']
    """
    suffix = Path(name).suffix.lower()
    return suffix if _SUFFIX.fullmatch(suffix) else ""


def kind_of_content(content: bytes) -> str | None:
    """The kind that recognises the content of a file as its own."""
    if not content:
        return None
    column = Column(blobs=(content,), cells=1)
    guesses = ((name, parts.load("kinds", name).guess(column)) for name in kinds_with("bytes"))
    return next((name for name, guess in guesses if guess is not None), None)


def kind_of_file(path: Path) -> str | None:
    """The kind that reads a file, by its suffix, else by its content; None if there is none."""
    if (kind := suffixes().get(suffix_of(path.name))) is not None:
        return kind
    try:
        return kind_of_content(path.read_bytes()) if path.stat().st_size <= _MOST else None
    except OSError:
        return None
