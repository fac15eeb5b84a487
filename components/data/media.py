"""Media of a data set: files below its folder, or packed in ``media/*.parquet``."""

import errno
import re
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.core.errors import BadInput, UserError
from components.core.places import files_in, is_regular, is_url, local, opened

_NO_FILE = {errno.ENAMETOOLONG, errno.ELOOP}
"""Errors that a path itself causes, beside those that have a class."""
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
"""A path of Windows; every other colon belongs to a name."""
_HELD_BYTES = 256 << 20
"""Limit of the packed row groups kept in memory; a small set fits in whole."""


class Media:
    """Reads media of the data set at ``uri`` by the relative paths in the records.

    Packed media have the columns ``path`` and ``bytes``. They are indexed by 64-bit hashes of their
    paths (16 bytes a file), which takes far less memory than a dictionary; paths are compared too,
    so equal hashes do no harm. Files are searched at ``media/<path>``, then at ``<path>``.

    Raises:
        UserError: a file of packed media lacks ``path`` or ``bytes``.
    """

    def __init__(self, uri: str) -> None:
        self._fs, self._root = opened(uri)
        self._local = local(uri) is not None
        self._files = files_in(self._fs, f"{self._root}/media", ".parquet")
        self._groups: list[tuple[int, int]] = []
        self._held: OrderedDict[int, tuple[dict[str, int], Any]] = OrderedDict()
        self._held_bytes = 0
        self._hashes, self._where = self._index()

    def fetch(
        self, paths: Sequence[str | None], field: str = "media"
    ) -> list[bytes | BadInput | None]:
        """Return the content of each path, in order.

        None stays None, and a path without a file gives the reason, which is not raised. Each row
        group that the batch needs is read once, in file order.
        """
        found: list[bytes | BadInput | None] = [None] * len(paths)
        wanted: dict[int, list[tuple[int, str]]] = {}
        for i, path in enumerate(paths):
            if path is None:
                continue
            if (fault := unsafe(path, field)) is not None:
                found[i] = fault
            elif (places := self._places(path)) is not None:
                for group in places:
                    wanted.setdefault(group, []).append((i, path))
            else:
                found[i] = self._file(path, field)
        for group in sorted(wanted):
            at, column = self._group(group)
            for i, path in wanted[group]:
                if path in at:
                    found[i] = column[at[path]].as_py()
        for group_members in wanted.values():
            for i, path in group_members:
                found[i] = self._file(path, field) if found[i] is None else found[i]
        return found

    def _index(
        self,
    ) -> tuple[np.ndarray[Any, np.dtype[np.int64]], np.ndarray[Any, np.dtype[np.int64]]]:
        hashes: list[np.ndarray[Any, np.dtype[np.int64]]] = []
        for number, file in enumerate(self._files):
            with self._open(file) as parquet:
                missing = {"path", "bytes"} - set(parquet.schema_arrow.names)
                if missing:
                    raise UserError(
                        f"{file}: got columns {parquet.schema_arrow.names}, "
                        "wanted `path` and `bytes`"
                    )
                for group in range(parquet.num_row_groups):
                    paths = parquet.read_row_group(group, columns=["path"])["path"].to_pylist()
                    hashes.append(np.fromiter(map(hash, paths), dtype=np.int64, count=len(paths)))
                    self._groups.append((number, group))
        flat = np.concatenate(hashes) if hashes else np.empty(0, dtype=np.int64)
        where = np.repeat(np.arange(len(hashes), dtype=np.int64), [len(h) for h in hashes])
        order = np.argsort(flat, kind="stable")
        return flat[order], where[order]

    def _places(self, path: str) -> list[int] | None:
        """Row groups that may hold the path."""
        if not len(self._hashes):
            return None
        key = hash(path)
        first, last = (
            np.searchsorted(self._hashes, key, "left"),
            np.searchsorted(self._hashes, key, "right"),
        )
        return sorted(set(self._where[first:last].tolist())) if last > first else None

    def _group(self, group: int) -> tuple[dict[str, int], Any]:
        if group in self._held:
            self._held.move_to_end(group)
            return self._held[group]
        number, inner = self._groups[group]
        with self._open(self._files[number]) as parquet:
            table = parquet.read_row_group(inner, columns=["path", "bytes"])
        entry = ({name: row for row, name in enumerate(table["path"].to_pylist())}, table["bytes"])
        self._held[group] = entry
        self._held_bytes += entry[1].nbytes
        while self._held_bytes > _HELD_BYTES and len(self._held) > 1:
            _, (_, old) = self._held.popitem(last=False)
            self._held_bytes -= old.nbytes
        return entry

    def _file(self, path: str, field: str) -> bytes | BadInput:
        wanted = "a file below the data set, or a path in media/*.parquet"
        if is_url(path):
            wanted += "; nothing is downloaded"
        for place in (f"{self._root}/media/{path}", f"{self._root}/{path}"):
            try:
                # A pipe or a device has no content of its own, and opening it may never return.
                if self._local and not is_regular(Path(place).stat()):
                    wanted = "a regular file: this is a folder, a pipe or a device"
                    continue
                data: bytes = self._fs.cat_file(place)
                return data
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                continue
            except PermissionError as error:
                wanted = f"a file that can be read ({error.strerror or error})"
            except OSError as error:
                if error.errno not in _NO_FILE:
                    raise
        return BadInput(field, f"path {path[:200]!r}", wanted)

    def _open(self, file: str) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(self._fs.open(file, "rb"))
        except pa.ArrowInvalid as error:
            raise UserError(f"{file} is not readable Parquet ({error}); write it again") from error


def unsafe(path: str, field: str) -> BadInput | None:
    """The reason to refuse a path that could lead out of the data set, else None.

    Args:
        path: as a record has it.
        field: what the reason names.
    """
    pure = PurePosixPath(path.replace("\\", "/"))
    absolute = pure.is_absolute() or bool(_DRIVE.match(path)) or bool(PurePath(path).drive)
    if not pure.parts or "\0" in path or absolute or ".." in pure.parts:
        return BadInput(
            field, f"path {path[:200]!r}", "a relative path inside the data set, without `..`"
        )
    return None
