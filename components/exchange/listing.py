"""The listing of a folder: each file with its size and SHA-256."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from components.core.refs import digest_listing, file_digests


@dataclass(frozen=True, kw_only=True)
class ListedFile:
    """One file of a folder.

    Attributes:
        path: relative to the folder, with slashes.
        size: in bytes; 0 where it is not known.
        sha256: digest of the content; empty where it is not known.
    """

    path: str
    size: int = 0
    sha256: str = ""

    @classmethod
    def parse(cls, value: dict[str, Any]) -> "ListedFile":
        """From the JSON form."""
        return cls(path=str(value["path"]), size=int(value["size"]), sha256=str(value["sha256"]))

    @property
    def inside(self) -> bool:
        """Whether the path stays in the folder; a listing from elsewhere may name any path."""
        path = PurePosixPath(self.path)
        return bool(path.parts) and not path.is_absolute() and ".." not in path.parts

    def to_json(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)


def listed(folder: Path) -> Iterator[ListedFile]:
    """Every file below a folder."""
    for path, digest in file_digests(folder).items():
        yield ListedFile(path=path, size=(folder / path).stat().st_size, sha256=digest)


def listing_digest(files: Iterable[ListedFile]) -> str:
    """The digest of the folder with these files, as ``digest_folder`` computes it."""
    return digest_listing({file.path: file.sha256 for file in files})
