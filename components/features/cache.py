"""The feature cache: encoder outputs stored once per content and encoder, shared by runs and processes.

One folder per modality digest. New rows go into a new shard of two files: ``<shard>.npy`` (the inputs) and ``<shard>.json``
(whose they are, and the length and SHA-256 of the other file). Both are written aside and renamed, the second after the first,
and a shard that does not fit its description is not there: a kill at any moment loses at most one shard.
"""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from components.core.errors import UserError
from components.core.files import write_atomically
from components.core.refs import digest_bytes


class FeatureCache:
    """Inputs of one modality by the digest of their raw content.

    Args:
        folder: the cache of all modalities.
        digest: that of the modality.
        shape: shape of one input.
        dtype: its number type.
    """

    def __init__(
        self, folder: Path, digest: str, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        self._folder = folder / digest
        self._shape, self._dtype = shape, dtype
        self._shards: dict[str, NDArray[Any]] = {}
        self._place: dict[str, tuple[str, int]] = {}
        self._seen: set[str] = set()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"the feature cache {folder} cannot be written ({error}); choose another CONCORD_HOME"
            ) from error
        self._lock = FileLock(self._folder / "lock")

    def get(
        self, keys: list[str], encode: Callable[[list[int]], NDArray[Any]]
    ) -> tuple[NDArray[Any], int]:
        """Inputs ``(len(keys), *shape)``, and how many were encoded now.

        Args:
            keys: ``content_key`` of each raw value.
            encode: makes the inputs of some positions in ``keys``; called at most once, under the lock of this modality, so
                that two processes never encode the same content.
        """
        fresh = 0
        if any(key not in self._place for key in keys):
            with self._lock:
                self._look()
                first = {
                    key: at for at, key in reversed(list(enumerate(keys))) if key not in self._place
                }
                if first:
                    positions = sorted(first.values())
                    self._add([keys[at] for at in positions], encode(positions))
                    fresh = len(positions)
        out = np.empty((len(keys), *self._shape), self._dtype)
        for at, key in enumerate(keys):
            shard, row = self._place[key]
            out[at] = self._shards[shard][row]
        return out, fresh

    def _look(self) -> None:
        """Read descriptions of shards that have come since."""
        for path in sorted(self._folder.glob("*.json")):
            if path.stem not in self._seen and (keys := self._open(path)) is not None:
                for row, key in enumerate(keys):
                    self._place.setdefault(key, (path.stem, row))
                self._seen.add(path.stem)

    def _open(self, path: Path) -> list[str] | None:
        """Keys of a shard, or None if it is not whole."""
        try:
            about = json.loads(path.read_text())
            data = path.with_suffix(".npy")
            # The whole file is hashed only where its length already fits: this also finds a torn or overwritten page.
            if (
                data.stat().st_size != about["bytes"]
                or digest_bytes(data.read_bytes()) != about["sha256"]
            ):
                return None
            array = np.load(data, mmap_mode="r")
            if array.shape != (len(about["keys"]), *self._shape) or array.dtype != self._dtype:
                return None
        except (OSError, ValueError, KeyError):
            return None
        self._shards[path.stem] = array
        keys: list[str] = about["keys"]
        return keys

    def _add(self, keys: list[str], inputs: NDArray[Any]) -> None:
        assert inputs.shape == (len(keys), *self._shape), (inputs.shape, len(keys), self._shape)
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(inputs, dtype=self._dtype))
        data = buffer.getvalue()
        name = digest_bytes(*(key.encode() for key in keys))[:32]
        about = {"bytes": len(data), "sha256": digest_bytes(data), "keys": keys}
        try:
            write_atomically(self._folder / f"{name}.npy", data)
            write_atomically(self._folder / f"{name}.json", json.dumps(about))
        except OSError as error:
            raise UserError(
                f"the feature cache {self._folder} cannot be written ({error}); free disk, then run again"
            ) from error
        self._shards[name] = np.load(self._folder / f"{name}.npy", mmap_mode="r")
        self._seen.add(name)
        for row, key in enumerate(keys):
            self._place[key] = (name, row)


def content_key(content: bytes) -> str:
    """The key of a raw value's content: 32 hexadecimal characters."""
    return digest_bytes(content)[:32]
