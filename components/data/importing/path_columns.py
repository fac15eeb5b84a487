"""Columns whose cells are paths of media."""

from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from components.core.places import files_below
from components.data.importing.media_kinds import kind_of_file, suffix_of, suffixes
from components.data.importing.paths import Paths, as_text, is_address, is_several
from components.data.importing.report import some

_TRIED, _LOOKED_AT = 20, 5000
"""Files that are looked into, and files whose names are looked at."""


def kind_of_paths(cells: Sequence[str], base: Path, *, outside: bool = False) -> tuple[str, str]:
    """The kind of the files that a column's cells name.

    Args:
        cells: a sample of its cells.
        base: the folder that paths are relative to.
        outside: whether paths may lead out of it.

    Returns:
        The kind, or the reason why the column is of no use though it looks like paths; both are
        empty where it does not look like paths.
    """
    known = suffixes()
    paths = Paths(base, cells, tuple(known), outside=outside)
    named = [cell for cell in cells if paths.looks_named(cell)]
    if 2 * len(named) > len(cells):
        return ("", _lost(named, paths, base)) if not paths.found else (_kind(paths), "")
    mostly = 2 * len(paths.found) > len(cells)
    return (_kind(paths) if mostly else "", "")


def unnamed(base: Path) -> str:
    """A sentence on media below a folder that no column names; empty where there are none."""
    known = suffixes()
    for name, _ in islice(files_below(base), _LOOKED_AT):
        if suffix_of(name) in known:
            return (
                f"there are media below {base} ({as_text(name)!r}), and no column names them; "
                "write their paths into a column to use them"
            )
    return ""


def _kind(paths: Paths) -> str:
    """The kind of most of the files; empty where no kind reads most of them."""
    kinds = Counter(kind_of_file(path) for path in list(paths.found.values())[:_TRIED])
    return kinds.most_common(1)[0][0] or ""


def _lost(named: Sequence[str], paths: Paths, base: Path) -> str:
    of = "pictures" if set(suffixes().values()) == {"image"} else "media"
    said = f"it looks like paths of {of}, and none of them leads to a file below {base}"
    if all(map(is_address, named)):
        return f"{said} ({some(named, 1)}): nothing is downloaded; download them and name the files"
    if paths.refused:
        return f"{said} ({some(sorted(paths.refused), 1)} is outside; --allow-outside packs it)"
    if all(map(is_several, named)):
        return f"{said} ({some(named, 1)}): wanted one path in a cell; write a column for each"
    return f"{said} ({some(named, 1)})"
