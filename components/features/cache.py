"""The feature cache: encoded contents, stored once per encoder, shared by runs and processes.

There is one folder per digest. New rows go into a new shard of two files: ``<shard>.npy`` (the
rows) and ``<shard>.json`` (their keys, and the length and SHA-256 of the other file). Both are
written under temporary names and renamed, the second after the first, and a shard that does not fit
its description is ignored. A kill at any moment therefore loses at most one shard.
"""

import io
import json
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from components.core.errors import UserError
from components.core.files import write_atomically
from components.core.refs import digest_bytes
from components.features.rows import Rows, sparse_rows

About = dict[str, Any]


class _Shards:
    """The shards of one folder, and the place of each key's row in them."""

    def __init__(self, folder: Path, fits: Callable[[NDArray[Any], About], bool]) -> None:
        self._folder, self._fits = folder, fits
        self._seen: set[str] = set()
        self.place: dict[str, tuple[NDArray[Any], About, int]] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"the feature cache {folder.parent} cannot be written ({error}); "
                "choose another CONCORD_HOME"
            ) from error
        self.lock = FileLock(folder / "lock")

    def refresh(self) -> None:
        """Read the shards that other processes have added."""
        for path in sorted(self._folder.glob("*.json")):
            if path.stem not in self._seen and (found := self._open(path)) is not None:
                self._note(path.stem, *found)

    def add(self, keys: Sequence[str], rows: NDArray[Any], **about: Any) -> None:  # noqa: ANN401
        """Write a shard.

        Raises:
            UserError: the cache cannot be written.
        """
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(rows))
        data = buffer.getvalue()
        name = digest_bytes(*(key.encode() for key in keys))[:32]
        about |= {"bytes": len(data), "sha256": digest_bytes(data), "keys": list(keys)}
        try:
            write_atomically(self._folder / f"{name}.npy", data)
            write_atomically(self._folder / f"{name}.json", json.dumps(about))
        except OSError as error:
            raise UserError(
                f"the feature cache {self._folder} cannot be written ({error}); "
                "free disk, then run again"
            ) from error
        self._note(name, np.load(self._folder / f"{name}.npy", mmap_mode="r"), about)

    def _note(self, name: str, rows: NDArray[Any], about: About) -> None:
        self._seen.add(name)
        for row, key in enumerate(about["keys"]):
            self.place.setdefault(key, (rows, about, row))

    def _open(self, path: Path) -> tuple[NDArray[Any], About] | None:
        """Rows and description of a shard, or None if it is not whole."""
        try:
            about = json.loads(path.read_text())
            data = path.with_suffix(".npy")
            # The whole file is hashed, which also finds a torn or overwritten page, but only if its
            # length is right.
            size_fits = data.stat().st_size == about["bytes"]
            if not size_fits or digest_bytes(data.read_bytes()) != about["sha256"]:
                return None
            rows = np.load(data, mmap_mode="r")
            return (rows, about) if self._fits(rows, about) else None
        except (OSError, ValueError, KeyError):
            return None


class FeatureCache:
    """Rows of one view by the digest of the raw content from which they were made.

    Args:
        folder: the cache of all views.
        digest: digest of the view.
        shape: shape of one row.
        dtype: number type of a row.

    Attributes:
        lock: held by whoever adds rows, so that two processes never encode the same content.
    """

    def __init__(
        self, folder: Path, digest: str, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        self._shape, self._dtype = shape, dtype
        self._shards = _Shards(
            folder / digest,
            lambda rows, about: rows.shape == (len(about["keys"]), *shape) and rows.dtype == dtype,
        )
        self.lock, self.refresh = self._shards.lock, self._shards.refresh

    def missing(self, keys: Sequence[str]) -> set[str]:
        """Those of the keys that have no row yet."""
        return {key for key in keys if key not in self._shards.place}

    def take(self, keys: Sequence[str]) -> NDArray[Any]:
        """Rows ``(len(keys), *shape)`` of keys; each key must have one."""
        out = np.empty((len(keys), *self._shape), self._dtype)
        for at, key in enumerate(keys):
            rows, _, row = self._shards.place[key]
            out[at] = rows[row]
        return out

    def add(self, keys: Sequence[str], rows: NDArray[Any]) -> None:
        """Store the rows ``(len(keys), *shape)`` of keys that have none yet.

        Raises:
            UserError: the cache cannot be written.
        """
        assert rows.shape == (len(keys), *self._shape), (rows.shape, len(keys), self._shape)
        if keys:
            self._shards.add(keys, rows.astype(self._dtype, copy=False))


class _OwnLengths:
    """Rows by content, each of its own length."""

    def __init__(self, folder: Path, digest: str, dtype: np.dtype[Any]) -> None:
        self._shards = _Shards(
            folder / digest,
            lambda rows, about: rows.shape == (about["ends"][-1],) and rows.dtype == dtype,
        )
        self.lock, self.refresh = self._shards.lock, self._shards.refresh

    def missing(self, keys: Sequence[str]) -> set[str]:
        """Those of the keys that have no row yet."""
        return {key for key in keys if key not in self._shards.place}

    def rows(self, keys: Sequence[str]) -> list[NDArray[Any]]:
        """Row ``(length,)`` of each key; each key must have one."""
        return [self._one(*self._shards.place[key]) for key in keys]

    def store(self, keys: Sequence[str], rows: NDArray[Any], lengths: Iterable[int]) -> None:
        """Store rows, side by side, of keys that have none yet.

        Raises:
            UserError: the cache cannot be written.
        """
        if keys:
            self._shards.add(keys, rows, ends=list(accumulate(lengths)))

    @staticmethod
    def _one(rows: NDArray[Any], about: About, row: int) -> NDArray[Any]:
        start = about["ends"][row - 1] if row else 0
        return rows[start : about["ends"][row]]


class PreviewCache:
    """Small forms of media by content, each of its own length.

    Args:
        folder: the cache.
        digest: digest of the code that makes the previews.
    """

    def __init__(self, folder: Path, digest: str) -> None:
        self._own = _OwnLengths(folder, digest, np.dtype(np.uint8))
        self.lock, self.refresh, self.missing = self._own.lock, self._own.refresh, self._own.missing

    def take(self, keys: Sequence[str]) -> list[bytes]:
        """Previews of keys; each key must have one."""
        return [bytes(row) for row in self._own.rows(keys)]

    def add(self, keys: Sequence[str], previews: Sequence[bytes]) -> None:
        """Store the previews of keys that have none yet.

        Raises:
            UserError: the cache cannot be written.
        """
        self._own.store(keys, np.frombuffer(b"".join(previews), np.uint8), map(len, previews))


class SparseCache:
    """Rows of one sparse view by content: the columns and numbers that are not zero.

    Args:
        folder: the cache of all views.
        digest: digest of the view.
        columns: length of a row.
        dtype: number type of a row.
    """

    def __init__(self, folder: Path, digest: str, columns: int, dtype: np.dtype[Any]) -> None:
        self._columns, self._pair = columns, np.dtype([("column", np.int32), ("number", dtype)])
        self._own = _OwnLengths(folder, digest, self._pair)
        self.lock, self.refresh, self.missing = self._own.lock, self._own.refresh, self._own.missing

    def take(self, keys: Sequence[str]) -> Rows:
        """A ``csr_array (len(keys), columns)``; each key must have a row."""
        rows = self._own.rows(keys)
        pairs = np.concatenate([np.empty(0, self._pair), *rows])
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        return sparse_rows(pairs["number"].copy(), pairs["column"].copy(), lengths, self._columns)

    def add(self, keys: Sequence[str], rows: Rows) -> None:
        """Store the rows ``(len(keys), columns)`` of keys that have none yet.

        Raises:
            UserError: the cache cannot be written.
        """
        assert rows.shape == (len(keys), self._columns), (rows.shape, len(keys), self._columns)
        rows.sort_indices()
        pairs = np.empty(rows.nnz, self._pair)
        pairs["column"], pairs["number"] = rows.indices, rows.data
        self._own.store(keys, pairs, np.diff(rows.indptr).tolist())


def content_key(content: bytes) -> str:
    """The key of a raw value's content: 32 hexadecimal characters."""
    return digest_bytes(content)[:32]


def content_number(key: str) -> int:
    """The first half of a content's key as a signed number of 64 bits."""
    return int.from_bytes(bytes.fromhex(key[:16]), "big", signed=True)
