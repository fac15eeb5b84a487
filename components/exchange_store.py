"""Single operations on a folder or an object store, so that a file is there whole or not at all."""

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.errors import UserError
from components.refs import digest_file, digest_json, write_atomically

_CHUNK = 1 << 22
_REMOTE_LIBRARIES = {"botocore", "aiobotocore", "aiohttp", "fsspec"}
"""Their exceptions are not all OSErrors."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One file of a folder: path below it with slashes, size and SHA-256, the last two 0 and empty where not known."""

    path: str
    size: int = 0
    sha256: str = ""

    @classmethod
    def parse(cls, value: dict[str, Any]) -> "Entry":
        """From the JSON form."""
        return cls(path=str(value["path"]), size=int(value["size"]), sha256=str(value["sha256"]))

    def to_json(self) -> dict[str, Any]:
        """The JSON form."""
        return {"path": self.path, "size": self.size, "sha256": self.sha256}


def listed(folder: Path) -> Iterator[Entry]:
    """Every file below a folder, sorted as ``digest_folder`` sorts them."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        yield Entry(path=path.relative_to(folder).as_posix(), size=path.stat().st_size, sha256=digest_file(path))


def listing_digest(entries: Iterable[Entry]) -> str:
    """What ``components.refs.digest_folder`` says of the folder with these files."""
    return digest_json([[e.path, e.sha256] for e in entries])


class Store:
    """An fsspec file system below a root.

    Args:
        uri: the root.

    Raises:
        UserError: the URL's scheme needs a package that is not installed.
    """

    def __init__(self, uri: str) -> None:
        import fsspec

        s3 = {"config_kwargs": {"connect_timeout": 5, "read_timeout": 30, "retries": {"max_attempts": 1}}}
        options = s3 if uri.startswith("s3://") else {}
        try:
            # Other processes write here: what was listed before says nothing.
            self._fs, self._root = fsspec.core.url_to_fs(uri, use_listings_cache=False, **options)
        except (ImportError, ValueError) as error:
            raise UserError(f"exchange: got {uri}, wanted a folder or a URL of an installed file system: {error}") from error
        self._local = self._fs.protocol in {("file", "local"), "file"}

    @staticmethod
    def may_pass(error: Exception) -> bool:
        """Whether an error came from the store and not from our own code."""
        return isinstance(error, OSError) or type(error).__module__.split(".")[0] in _REMOTE_LIBRARIES

    def there(self) -> bool:
        """Whether the root is there; in an object store, whether its bucket is."""
        try:
            self._fs.info(self._root if self._local else self._root.split("/")[0])
        except FileNotFoundError:
            return False
        return True

    def write(self, relative: str, data: bytes) -> None:
        """Write a file in one piece."""
        if self._local:
            self._make_room(Path(self._at(relative)).parent)
            write_atomically(Path(self._at(relative)), data)
        else:
            self._fs.pipe_file(self._at(relative), data)

    def read(self, relative: str, start: int | None = None, end: int | None = None) -> bytes:
        """Read a file, or a part of it."""
        return bytes(self._fs.cat_file(self._at(relative), start=start, end=end))

    def put(self, source: Path, relative: str) -> None:
        """Copy a local file here."""
        if not self._local:
            self._fs.put_file(str(source), self._at(relative))
            return
        target = Path(self._at(relative))
        self._make_room(target.parent)
        aside = target.with_name(f".{target.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}.part")
        try:
            shutil.copyfile(source, aside)
            with aside.open("rb") as file:
                os.fsync(file.fileno())
            aside.replace(target)
        finally:
            aside.unlink(missing_ok=True)

    def get(self, relative: str, target: Path) -> None:
        """Copy a file from here."""
        target.parent.mkdir(parents=True, exist_ok=True)
        if self._local:
            shutil.copyfile(self._at(relative), target)
        else:
            self._fs.get_file(self._at(relative), str(target))

    def sha256(self, relative: str) -> str:
        """Digest of a file, read again."""
        sha = hashlib.sha256()
        with self._fs.open(self._at(relative), "rb", cache_type="readahead", block_size=_CHUNK) as file:
            while chunk := file.read(_CHUNK):
                sha.update(chunk)
        return sha.hexdigest()

    def names(self, relative: str) -> list[str]:
        """Sorted names in a folder, without files that are still being written."""
        try:
            found = self._fs.ls(self._at(relative), detail=False)
        except FileNotFoundError:
            return []
        names = {str(path).rstrip("/").rsplit("/", 1)[-1] for path in found}
        return sorted(name for name in names if not name.startswith("."))

    def remove(self, relative: str) -> None:
        """Delete a folder with all that is in it, if it is there."""
        if self._local:
            shutil.rmtree(self._at(relative), ignore_errors=True)
        elif self._fs.exists(self._at(relative)):
            self._fs.rm(self._at(relative), recursive=True)

    def files(self, relative: str) -> list[str]:
        """Paths below a folder of all files in it."""
        return sorted(self.sizes(relative))

    def sizes(self, relative: str) -> dict[str, int]:
        """Size of every file below a folder."""
        root = self._at(relative).rstrip("/") + "/"
        found = self._fs.find(root, detail=True)
        return {str(path).removeprefix(root): int(info["size"]) for path, info in found.items() if str(path).startswith(root)}

    def _make_room(self, folder: Path) -> None:
        """Make a folder that is as open as the exchange itself: the run and its pods may be different users."""
        root = Path(self._root)
        root.mkdir(parents=True, exist_ok=True)
        if not folder.is_dir():
            self._make_room(folder.parent)
            with suppress(FileExistsError):
                folder.mkdir()
                folder.chmod(root.stat().st_mode & 0o7777)

    def _at(self, relative: str) -> str:
        return f"{self._root}/{relative}" if relative else str(self._root)
