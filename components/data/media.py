"""Media of a data set: files below its folder, or packed in ``media/*.parquet``."""

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.core.errors import BadInput, UserError

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
        self._fs, self._root = fsspec.core.url_to_fs(uri)
        self._files = sorted(self._fs.glob(f"{self._root}/media/*.parquet"))
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
            if (fault := _unsafe(path, field)) is not None:
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
        for place in (f"{self._root}/media/{path}", f"{self._root}/{path}"):
            try:
                data: bytes = self._fs.cat_file(place)
                return data
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError):
                continue
        return BadInput(
            field, f"path {path!r}", "a file below the data set, or a path in media/*.parquet"
        )

    def _open(self, file: str) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(self._fs.open(file, "rb"))
        except pa.ArrowInvalid as error:
            raise UserError(f"{file} is not readable Parquet ({error}); write it again") from error


def _unsafe(path: str, field: str) -> BadInput | None:
    """The reason to refuse a path that could lead out of the data set, else None."""
    pure = PurePosixPath(path.replace("\\", "/"))
    if not path or "\0" in path or pure.is_absolute() or ".." in pure.parts or ":" in pure.parts[0]:
        return BadInput(
            field, f"path {path[:200]!r}", "a relative path inside the data set, without `..`"
        )
    return None
