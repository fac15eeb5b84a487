"""Single operations on a folder or an object store; a file is either complete or absent."""

import errno
import glob
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from components.core.errors import UserError
from components.core.files import beside, file_aside, write_atomically
from components.core.places import opened
from components.core.refs import digest_stream

_CHUNK = 1 << 22
_FULL = {errno.ENOSPC, errno.EDQUOT}
_S3 = {"connect_timeout": 5, "read_timeout": 30, "retries": {"total_max_attempts": 2}}
"""botocore retries each request that timed out once; the retries of s3fs are off (below)."""


class DiskError(UserError):
    """The local disk cannot store what comes from the exchange."""

    def __init__(self, folder: Path, error: OSError) -> None:
        super().__init__(
            f"cannot write to {folder} on the local disk: {type(error).__name__}: {error}; "
            "make room there or correct the rights (in a pod: the size of the volume behind "
            "CONCORD_CACHE and TMPDIR), and run again"
        )


def store_errors(uri: str) -> tuple[type[Exception], ...]:
    """Classes of errors that come from the store at a URI and not from our own code."""
    if not uri.startswith("s3://"):
        return (OSError,)
    import aiohttp
    from botocore.exceptions import BotoCoreError, ClientError

    return (OSError, BotoCoreError, ClientError, aiohttp.ClientError)


def is_timeout(error: Exception) -> bool:
    """Whether an error of a store means that it did not answer in time."""
    if isinstance(error, TimeoutError):
        return True
    botocore = sys.modules.get("botocore.exceptions")
    return botocore is not None and isinstance(
        error, (botocore.ConnectTimeoutError, botocore.ReadTimeoutError)
    )


class Store:
    """An fsspec file system below a root.

    Args:
        uri: the root.

    Raises:
        UserError: the URL's scheme needs a package that is not installed.
    """

    def __init__(self, uri: str) -> None:
        s3 = uri.startswith("s3://")
        options: dict[str, Any] = {"config_kwargs": _S3} if s3 else {}
        try:
            # Other processes write here, so earlier listings are out of date.
            self._fs, self._root = opened(uri, use_listings_cache=False, **options)
        except UserError as error:
            raise UserError(f"exchange: {error}") from error
        if s3:
            self._fs.retries = 1
        self._local = self._fs.protocol in {("file", "local"), "file"}

    def there(self) -> bool:
        """Whether the root exists; in an object store, its bucket."""
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
            DiskError: the local disk cannot store it.
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
            if error.errno in _FULL:  # only the end that is written can be full
                raise DiskError(target.parent, error) from error
            raise

    def sha256(self, relative: str) -> str:
        """Digest of a file, read back."""
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
        """Delete a file, or a folder with all its content, if it exists."""
        place = self._at(relative)
        if self._local and Path(place).is_dir():
            shutil.rmtree(place, onerror=_but_gone)
            return
        with suppress(FileNotFoundError):  # another process may delete it at the same time
            # `rm` reads what it gets as a pattern, except on the local disk.
            self._fs.rm(place if self._local else glob.escape(place), recursive=not self._local)

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
        """Make a folder with the mode of the root: the run and its pods may be different users.

        It gets its name after its mode, so that no user is refused in between. A sticky bit is not
        copied: below the root a run deletes what its pods, as other users, have written.
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
            if not folder.is_dir():  # else another process was first
                raise

    def _at(self, relative: str) -> str:
        return f"{self._root}/{relative}" if relative else str(self._root)


def _but_gone(
    call: object,  # noqa: ARG001
    path: str,  # noqa: ARG001
    problem: tuple[type[BaseException], BaseException, object],
) -> None:
    """Raise what prevented a deletion, unless another process has deleted the file."""
    if not isinstance(problem[1], FileNotFoundError):
        raise problem[1]
