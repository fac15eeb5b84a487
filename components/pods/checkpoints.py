"""Checkpoints of a job in the exchange, where several attempts at it may write at the same time."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from components.exchange.exchange import CHECKPOINTS, JOBS, Exchange
from components.training.checkpoint import LENGTH_BYTES, Checkpoint, decode, described, encode

_MAX_HEADER = 100_000_000
"""Bytes that safetensors allows for a header."""


@dataclass(frozen=True)
class Fenced:
    """A store where each attempt writes under its own token and reads what all have written.

    An attempt that is believed dead but is not can thus overwrite nothing.

    Attributes:
        exchange: where the checkpoints are.
        job: name of the job.
        token: of this attempt.
    """

    exchange: Exchange
    job: str
    token: str

    def read(self, name: str, key: str) -> Checkpoint | None:
        """See ``Store``; reads the headers of all files, then the furthest one that is whole."""
        found = []
        for path in self._paths(f"{name}.safetensors"):
            about = self._about(path)
            if about.get("key") == key:
                found.append((int(about["step"]), path))
        for _, path in sorted(found, reverse=True):
            with suppress(FileNotFoundError):  # deleted since it was listed
                if (checkpoint := decode(self.exchange.read(path), key)) is not None:
                    return checkpoint
        return None

    def write(self, name: str, checkpoint: Checkpoint, key: str) -> None:
        """See ``Store``."""
        path = f"{JOBS}/{self.job}/{CHECKPOINTS}/{self.token}/{name}.safetensors"
        self.exchange.write(path, encode(checkpoint, key))

    def _paths(self, name: str) -> Iterator[str]:
        """Files of this name, of all tokens."""
        folder = f"{JOBS}/{self.job}/{CHECKPOINTS}"
        for token in self.exchange.names(folder):
            if name in self.exchange.names(f"{folder}/{token}"):
                yield f"{folder}/{token}/{name}"

    def _about(self, path: str) -> dict[str, Any]:
        """What the header of a file describes; empty for a damaged file."""
        try:
            length = int.from_bytes(self.exchange.read(path, 0, LENGTH_BYTES), "little")
            stop = LENGTH_BYTES + min(length, _MAX_HEADER)
            return described(json.loads(self.exchange.read(path, LENGTH_BYTES, stop)))
        except (FileNotFoundError, ValueError, KeyError):
            return {}
