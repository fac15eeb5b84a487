"""Single operations on a folder or an object store, so that a file is there whole or not at all."""

import errno
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from components.core.errors import UserError
from components.core.files import beside, file_aside, write_atomically
from components.core.refs import digest_file, digest_listing, digest_stream

_CHUNK = 1 << 22
_FULL = {errno.ENOSPC, errno.EDQUOT}
_S3 = {"connect_timeout": 5, "read_timeout": 30, "retries": {"total_max_attempts": 2}}
"""One silence is waited for twice, by botocore; s3fs, which would wait five times as long, does not try again by itself."""
_REMOTE_LIBRARIES = {"botocore", "aiobotocore", "aiohttp", "fsspec"}
"""Their exceptions are not all OSErrors."""


class DiskError(UserError):
    """This machine's own disk cannot take what comes from the store."""

    def __init__(self, folder: Path, error: OSError) -> None:
        super().__init__(
            f"cannot write to {folder} on the local disk: {type(error).__name__}: {error}; make room there or mend the rights "
            "(in a pod: the size of the volume behind CONCORD_CACHE and TMPDIR), and run again"
        )


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

    @property
    def inside(self) -> bool:
        """Whether the path stays in the folder, whatever a listing from elsewhere says."""
        path = PurePosixPath(self.path)
        return bool(path.parts) and not path.is_absolute() and ".." not in path.parts

    def to_json(self) -> dict[str, Any]:
        """The JSON form."""
        return {"path": self.path, "size": self.size, "sha256": self.sha256}


def listed(folder: Path) -> Iterator[Entry]:
    """Every file below a folder, sorted as ``digest_folder`` sorts them."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        yield Entry(
            path=path.relative_to(folder).as_posix(),
            size=path.stat().st_size,
            sha256=digest_file(path),
        )


def listing_digest(entries: Iterable[Entry]) -> str:
    """The digest of the folder with these files, as ``components.core.refs.digest_folder`` computes it."""
    return digest_listing({entry.path: entry.sha256 for entry in entries})


class Store:
    """An fsspec file system below a root.

    Args:
        uri: the root.

    Raises:
        UserError: the URL's scheme needs a package that is not installed.
    """

    def __init__(self, uri: str) -> None:
        import fsspec

        s3 = uri.startswith("s3://")
        options: dict[str, Any] = {"config_kwargs": _S3} if s3 else {}
        try:
            # Other processes write here: what was listed before says nothing.
            self._fs, self._root = fsspec.core.url_to_fs(uri, use_listings_cache=False, **options)
        except (ImportError, ValueError) as error:
            raise UserError(
                f"exchange: got {uri}, wanted a folder or a URL of an installed file system: {error}"
            ) from error
        if s3:
            self._fs.retries = 1
        self._local = self._fs.protocol in {("file", "local"), "file"}

    @staticmethod
    def may_pass(error: Exception) -> bool:
        """Whether an error came from the store and not from our own code."""
        return (
            isinstance(error, OSError) or type(error).__module__.split(".")[0] in _REMOTE_LIBRARIES
        )

    @staticmethod
    def was_silent(error: Exception) -> bool:
        """Whether an error means that the store said nothing for as long as one waits for an answer."""
        return "Timeout" in type(error).__name__

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
        with file_aside(target) as aside:
            shutil.copyfile(source, aside)

    def get(self, relative: str, target: Path) -> None:
        """Copy a file from here.

        Raises:
            DiskError: the local disk cannot take it.
        """
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
        except OSError as error:
            raise DiskError(target.parent, error) from error
        try:
            if self._local:
                shutil.copyfile(self._at(relative), target)
            else:
                self._fs.get_file(self._at(relative), str(target))
        except OSError as error:
            if (
                error.errno in _FULL
            ):  # of the two ends of a copy only the one that is written can be full
                raise DiskError(target.parent, error) from error
            raise

    def sha256(self, relative: str) -> str:
        """Digest of a file, read again."""
        with self._fs.open(
            self._at(relative), "rb", cache_type="readahead", block_size=_CHUNK
        ) as file:
            return digest_stream(file)

    def names(self, relative: str) -> list[str]:
        """Sorted names in a folder, without files that are still being written."""
        try:
            found = self._fs.ls(self._at(relative), detail=False)
        except FileNotFoundError:
            return []
        names = {str(path).rstrip("/").rsplit("/", 1)[-1] for path in found}
        return sorted(name for name in names if not name.startswith("."))

    def remove(self, relative: str) -> None:
        """Delete a file, or a folder with all that is in it, if it is there."""
        place = self._at(relative)
        if self._local and Path(place).is_dir():
            shutil.rmtree(place, onerror=_but_gone)
            return
        with suppress(FileNotFoundError):  # also where another one deletes it at the same time
            self._fs.rm(place, recursive=not self._local)

    def files(self, relative: str) -> list[str]:
        """Paths below a folder of all files in it."""
        return sorted(self.sizes(relative))

    def sizes(self, relative: str) -> dict[str, int]:
        """Size of every file below a folder."""
        root = self._at(relative).rstrip("/") + "/"
        found = self._fs.find(root, detail=True)
        return {
            str(path).removeprefix(root): int(info["size"])
            for path, info in found.items()
            if str(path).startswith(root)
        }

    def _make_room(self, folder: Path) -> None:
        """Make a folder that is as open as the exchange itself: the run and its pods may be different users.

        It gets its name when it is open, so that nobody is refused in between. A sticky bit stays at the root: below it a run
        deletes what its pods, as other users, have written.
        """
        root = Path(self._root)
        root.mkdir(parents=True, exist_ok=True)
        if folder.is_dir():
            return
        self._make_room(folder.parent)
        aside = beside(folder)
        aside.mkdir()
        aside.chmod(root.stat().st_mode & 0o2777)
        try:
            aside.rename(folder)
        except OSError:
            aside.rmdir()
            if not folder.is_dir():  # else another one was first
                raise

    def _at(self, relative: str) -> str:
        return f"{self._root}/{relative}" if relative else str(self._root)


def _but_gone(
    call: object,  # noqa: ARG001
    path: str,  # noqa: ARG001
    problem: tuple[type[BaseException], BaseException, object],
) -> None:
    """What could not be deleted is an error, unless another one has deleted it."""
    if not isinstance(problem[1], FileNotFoundError):
        raise problem[1]
