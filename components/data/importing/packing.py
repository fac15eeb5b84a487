"""Packs the files that a column names into the data set."""

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from components.core.progress import Progress
from components.data.importing.media_kinds import kind_of_content, suffix_of, suffixes
from components.data.importing.paths import Paths, inside_name
from components.data.importing.report import Report, some
from components.data.media import unsafe
from components.data.packed import PackedMedia

_MISSING = "name no file"
_OUTSIDE = "lead out of the folder, and are packed only with --allow-outside"
_UNREADABLE = "name files that cannot be read"
_FOREIGN = "name files that the kind does not read"
_LINKED = "follow links out of the folder to files that the kind does not recognise"


class Packing:
    """Packs the files of a data set, each once.

    Files are named by their path below ``base``, so that equal paths of two columns are one file. A
    path that cannot be packed stays as it is: validation quarantines the record with the reason.

    Args:
        base: the folder of the source; links in it are followed, other ways out only on demand.
        folder: where the packed files go.
        outside: whether files outside ``base`` are packed too.
        report: receives how many paths of each column lead nowhere, with an example.
        progress: called as files are packed.
    """

    def __init__(
        self, base: Path, folder: Path, report: Report, progress: Progress, *, outside: bool = False
    ) -> None:
        self._base, self._folder, self._outside = base, folder, outside
        self._report, self._progress = report, progress
        self._names: dict[Path, str] = {}
        self._taken: dict[str, int] = {}
        self._real: dict[Path, Path] = {}
        self._columns = 0

    def pack(self, table: pa.Table, column: str, kind: str) -> pa.Table:
        """Pack the files that a column names; returns the table with their paths inside the set."""
        given = table[column].to_pylist()
        cells = [c for c in dict.fromkeys(given) if c is not None and c.strip()]
        paths = Paths(self._base, cells, tuple(suffixes()), outside=self._outside)
        inside, faults = self._write(cells, paths, kind, column)
        self._tell(column, given, paths, faults)
        place = table.column_names.index(column)
        named = [None if c is None else inside.get(c, c) for c in given]
        return table.set_column(place, column, pa.array(named, pa.string()))

    def _write(
        self, cells: list[str], paths: Paths, kind: str, column: str
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Cell to name in the set, and cell to the reason why it has no name."""
        inside: dict[str, str] = {}
        faults: dict[str, str] = {}
        self._columns += 1
        # The column's own name may have characters that a file's name cannot.
        with PackedMedia(self._folder, f"{kind}{self._columns}") as packed:
            for done, cell in enumerate(cells, 1):
                if (path := paths.found.get(cell)) is None:
                    faults[cell] = _OUTSIDE if cell in paths.refused else _MISSING
                elif path in self._names:
                    inside[cell] = self._names[path]
                elif isinstance(content := self._content(path, kind), str):
                    faults[cell] = content
                else:
                    inside[cell] = self._names[path] = self._name(path)
                    packed.add(inside[cell], content)
                if done % 100 == 0 or done == len(cells):
                    self._progress(f"packing {column}", done, len(cells))
        return inside, faults

    def _content(self, path: Path, kind: str) -> bytes | str:
        """The content of a file, or why it is not packed."""
        try:
            content = path.read_bytes()
        except OSError:
            return _UNREADABLE
        named = suffixes().get(suffix_of(path.name)) == kind
        linked = not self._outside and self._leads_out(path)
        if (linked or not named) and kind_of_content(content) != kind:
            return _LINKED if linked and named else _FOREIGN
        return content

    def _leads_out(self, path: Path) -> bool:
        """Whether a path below the folder is that of a file elsewhere, behind a link."""
        root = self._resolved(Path(os.path.abspath(self._base)))  # noqa: PTH100
        real = path.resolve() if path.is_symlink() else self._resolved(path.parent) / path.name
        return not real.is_relative_to(root)

    def _resolved(self, folder: Path) -> Path:
        if folder not in self._real:
            self._real[folder] = folder.resolve()
        return self._real[folder]

    def _name(self, path: Path) -> str:
        """A name inside the set that no other file has."""
        name = inside_name(path, self._base)
        if unsafe(name, "") is not None:  # such as `..\\a.png`, the name of one file
            name = name.replace("\\", "_").replace(":", "_")
        folder, _, last = name.rpartition("/")
        wanted, count = name, self._taken.get(name, 1)
        while name in self._taken:
            count += 1
            name = "/".join(p for p in (folder, f"{count}_{last}") if p)
        self._taken[wanted] = count
        self._taken.setdefault(name, 1)
        return name

    def _tell(
        self,
        column: str,
        given: list[str | None],
        paths: Paths,
        faults: Mapping[str, str],
    ) -> None:
        counts = Counter(c for c in given if c is not None)
        total = sum(counts.values())
        for why in dict.fromkeys(faults.values()):
            cells = [c for c, its in faults.items() if its == why]
            self._report.notes.append(
                f"column {column!r}: {sum(counts[c] for c in cells):,} of {total:,} paths {why} "
                f"({some(cells, 2)}); the check quarantines their records"
            )
        if paths.beginning:
            self._report.notes.append(
                f"column {column!r}: no path as written leads to a file, so {paths.beginning!r} "
                "was removed from the beginning of each"
            )
