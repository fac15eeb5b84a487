"""Content stores, whose entries are named by what determines them: one way to list and free."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Stored:
    """One entry of a content store.

    Attributes:
        key: its name.
        content: its folder or file; it may be missing after a kill.
        record: the file beside it that completes it, in stores that write one.
    """

    key: str
    content: Path
    record: Path | None = None

    @property
    def size(self) -> int:
        """Bytes of the content."""
        return sum(path.stat().st_size for path in _files(self.content))

    @property
    def used(self) -> float:
        """Time of the last write in seconds since the epoch; 0 where the content is missing."""
        places = (self.content, *_files(self.content))
        return max((path.stat().st_mtime for path in places if path.exists()), default=0.0)

    def remove(self) -> None:
        """Delete it; the record first, so that a kill leaves no entry that looks complete."""
        if self.record is not None:
            self.record.unlink(missing_ok=True)
        if self.content.is_dir():
            shutil.rmtree(self.content, ignore_errors=True)
        else:
            self.content.unlink(missing_ok=True)


def stored(root: Path, depth: int = 1) -> list[Stored]:
    """The entries of a store, sorted.

    A record is a ``.json`` file with the name of an entry. Hidden files and folders are not
    entries, except those that a killed process was writing aside.

    Args:
        root: the store's folder; a missing one has no entries.
        depth: how far below it the entries are: 2 where they are grouped in folders.
    """
    found: dict[Path, Path | None] = {}
    for path in sorted(root.glob("/".join("*" * depth))):
        if path.name.startswith(".") and path.suffix != ".part":
            continue
        if path.suffix == ".json":
            found[path.with_suffix("")] = path
        else:
            found.setdefault(path)
    return [Stored(key=path.name, content=path, record=record) for path, record in found.items()]


def free(entries: Iterable[Stored]) -> int:
    """Remove entries; returns the bytes freed."""
    freed = 0
    for entry in entries:
        freed += entry.size
        entry.remove()
    return freed


def _files(content: Path) -> list[Path]:
    if content.is_file():
        return [content]
    return [path for path in content.rglob("*") if path.is_file()]
