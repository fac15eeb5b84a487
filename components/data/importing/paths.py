"""Which file below a folder a cell of a table means."""

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote, unquote

_ADDRESS = re.compile(r"(https?|ftps?|s3|gs|data):", re.IGNORECASE)
_SEVERAL = re.compile(r"[;,|\n]")
_LONGEST, _TRIED = 4096, 20
"""Characters of the longest path that a system takes; cells tried for a common beginning."""


class Paths:
    """Finds the files that the cells of one column name.

    A cell is a path relative to the folder, as it stands; else without blanks around it, with
    separators of Windows, or quoted as in an address; else the one path that differs from it in
    upper and lower case, or in how accents are composed, alone. Only where no cell of the column
    leads anywhere, all of them are tried without their common beginning: paths from another folder
    or another machine.

    Args:
        base: the folder.
        cells: the column's distinct cells.
        suffixes: of media; the liberal readings are for cells that end with one.
        outside: whether a cell may lead out of the folder.

    Attributes:
        found: cell to the file that it names.
        refused: cells that name a file outside the folder.
        beginning: what was cut from all paths to find their files; mostly empty.
    """

    def __init__(
        self, base: Path, cells: Iterable[str], suffixes: tuple[str, ...], *, outside: bool = False
    ) -> None:
        self._base, self._suffixes, self._outside = Path(os.path.abspath(base)), suffixes, outside  # noqa: PTH100
        self._listed: dict[Path, dict[str, tuple[str, ...]]] = {}
        self.beginning = ""
        self.refused: set[str] = set()
        self.found: dict[str, Path] = {}
        cells = list(cells)
        self._search(cells)
        if not self.found:
            self._search_elsewhere(cells)
            self.refused -= self.found.keys()

    def looks_named(self, cell: str) -> bool:
        """Whether a cell ends as the name of a medium does, an address or the first of several."""
        first = _SEVERAL.split(cell.strip())[0].strip()
        plain = re.split(r"[?#]", first)[0] if _ADDRESS.match(first) else first
        return plain.lower().endswith(self._suffixes)

    def _search(self, cells: list[str]) -> None:
        for cell in cells:
            if (path := self._file(cell)) is not None:
                self.found[cell] = path

    def _search_elsewhere(self, cells: list[str]) -> None:
        """Cut the beginning that leads the first possible cell to a file from all cells."""
        named = [c for c in cells if self.looks_named(c) and not _ADDRESS.match(c)]
        for cell in named[:_TRIED]:
            parts = _plain(cell).split("/")
            for cut in range(1, len(parts)):
                beginning, rest = "/".join(parts[:cut]) + "/", "/".join(parts[cut:])
                if ".." not in parts and rest and self._below(rest, alike=True) is not None:
                    self.beginning = beginning
                    self._search([c for c in named if _plain(c).startswith(beginning)])
                    return

    def _file(self, cell: str) -> Path | None:
        if not cell or len(cell) > _LONGEST or "\0" in cell:
            return None
        for reading, alike in self._readings(cell):
            place = os.path.normpath(self._base / reading)
            below = os.path.relpath(place, self._base)
            if Path(below).parts[:1] != (os.pardir,):
                if (path := self._below(below, alike=alike)) is not None:
                    return path
            elif _is_file(Path(place)):
                if self._outside:
                    return Path(place)
                self.refused.add(cell)
        return None

    def _readings(self, cell: str) -> Iterator[tuple[str, bool]]:
        """A cell as it stands, then more liberally; whether names that are alike count too."""
        if not self.beginning:
            yield cell, False
        plain = _plain(cell)
        if self.beginning and not plain.startswith(self.beginning):
            return
        plain = plain.removeprefix(self.beginning)
        if plain and plain != cell:
            yield plain, False
        if "%" in plain:
            yield unquote(plain, errors="surrogateescape"), False
        if plain and self.looks_named(cell):
            yield plain, True

    def _below(self, relative: str, *, alike: bool) -> Path | None:
        path = self._base / relative
        if _is_file(path):
            return path
        if not alike:
            return None
        folder = self._base
        for name in Path(relative).parts:
            here = self._names(folder).get(_key(name), ())
            if len(here) != 1:
                return None
            folder /= here[0]
        return folder if _is_file(folder) else None

    def _names(self, folder: Path) -> dict[str, tuple[str, ...]]:
        """Names in a folder by what they have in common with names that are alike."""
        if folder not in self._listed:
            here: dict[str, tuple[str, ...]] = {}
            try:
                for name in sorted(os.listdir(folder)):  # noqa: PTH208 - odd names too
                    here[_key(name)] = (*here.get(_key(name), ()), name)
            except OSError:
                here = {}
            self._listed[folder] = here
        return self._listed[folder]


def inside_name(path: Path, base: Path) -> str:
    """The name in a data set of a file: its path below the folder, as text in UTF-8.

    Bytes that are not UTF-8, as in names from old archives, are written like ``%E9``.
    """
    below = os.path.relpath(path, os.path.abspath(base))  # noqa: PTH100
    name = "/".join(p for p in Path(below).parts if p not in (os.pardir, os.sep))
    return as_text(name)


def as_text(name: str) -> str:
    """A name of the file system as text; it stays as it is unless it has bytes that are no UTF-8.

    >>> as_text("100%"), as_text("caf" + chr(0xDCE9) + " 100%")
    ('100%', 'caf%E9 100%25')
    """
    if not is_odd(name):
        return name
    return "".join(
        quote(c, safe="", errors="surrogateescape") if c == "%" or is_odd(c) else c for c in name
    )


def is_odd(name: str) -> bool:
    """Whether a name has bytes that are not UTF-8, which Python holds as lone surrogates."""
    return any("\ud800" <= c <= "\udfff" for c in name)


def is_address(cell: str) -> bool:
    """Whether a cell is an address on a network rather than a path."""
    return _ADDRESS.match(cell.strip()) is not None


def is_several(cell: str) -> bool:
    """Whether a cell may hold several paths."""
    return len([p for p in _SEVERAL.split(cell) if p.strip()]) > 1


def _plain(cell: str) -> str:
    """A path without blanks around it, with the separators of this system."""
    plain = cell.strip().removeprefix("file://").replace("\\", "/")
    return re.sub(r"^(\./)+", "", plain)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long, or a folder that may not be read
        return False


def _key(name: str) -> str:
    if is_odd(name):  # written by a system that had another encoding
        name = name.encode("utf-8", "surrogateescape").decode("latin-1")
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
