"""Checkpoints: weights and optimiser state as safetensors, written aside and renamed; nothing is pickled."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from components.core.files import write_atomically
from components.exchange.exchange import CHECKPOINTS, JOBS, Exchange

_LENGTH = 8
"""Bytes at the beginning of a safetensors file that hold the length of its header."""
_LONGEST = 100_000_000
"""Bytes that safetensors allows for a header."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A training between two steps.

    Attributes:
        epoch: epochs done.
        batch: batches of the next epoch done; 0 between two epochs.
        step: optimiser steps done.
        history: one entry for each epoch done.
        state: tensors of the model, the losses and the optimiser, by name; within an epoch also sums and random state.
    """

    epoch: int
    batch: int = 0
    step: int
    history: list[dict[str, float]]
    state: dict[str, Tensor]


class Store(Protocol):
    """Keeps the last checkpoint of each training by name."""

    def read(self, name: str, key: str) -> Checkpoint | None:
        """The furthest checkpoint of exactly this training (same ``key``), or None."""
        ...

    def write(self, name: str, checkpoint: Checkpoint, key: str) -> None:
        """Put a checkpoint in the place of the one before; a kill at any moment leaves one of the two whole."""
        ...


@dataclass(frozen=True)
class Folder:
    """A local folder that survives a kill."""

    path: Path

    def read(self, name: str, key: str) -> Checkpoint | None:
        """See ``Store``."""
        path = self.path / f"{name}.safetensors"
        return decode(path.read_bytes(), key) if path.is_file() else None

    def write(self, name: str, checkpoint: Checkpoint, key: str) -> None:
        """See ``Store``."""
        write_atomically(self.path / f"{name}.safetensors", encode(checkpoint, key))


@dataclass(frozen=True)
class Fenced:
    """An exchange where every attempt of a job writes under its own token only, and reads what any of them has written.

    An attempt that everyone believes dead can thus overwrite nothing.
    """

    exchange: Exchange
    job: str
    token: str

    def read(self, name: str, key: str) -> Checkpoint | None:
        """See ``Store``; only the headers of all are read, then the furthest one that is whole."""
        found = []
        for path in self._paths(f"{name}.safetensors"):
            about = self._about(path)
            if about.get("key") == key:
                found.append((int(about["step"]), path))
        for _, path in sorted(found, reverse=True):
            with suppress(FileNotFoundError):  # cleaned away since it was listed
                if (checkpoint := decode(self.exchange.read(path), key)) is not None:
                    return checkpoint
        return None

    def write(self, name: str, checkpoint: Checkpoint, key: str) -> None:
        """See ``Store``."""
        path = f"{JOBS}/{self.job}/{CHECKPOINTS}/{self.token}/{name}.safetensors"
        self.exchange.write(path, encode(checkpoint, key))

    def _paths(self, name: str) -> Iterator[str]:
        """Where the tokens that have one keep it."""
        folder = f"{JOBS}/{self.job}/{CHECKPOINTS}"
        for token in self.exchange.names(folder):
            if name in self.exchange.names(f"{folder}/{token}"):
                yield f"{folder}/{token}/{name}"

    def _about(self, path: str) -> dict[str, Any]:
        try:
            length = int.from_bytes(self.exchange.read(path, 0, _LENGTH), "little")
            header = json.loads(self.exchange.read(path, _LENGTH, _LENGTH + min(length, _LONGEST)))
            about: dict[str, Any] = json.loads(header["__metadata__"]["checkpoint"])
        except (FileNotFoundError, ValueError, KeyError):
            return {}
        return about


def encode(checkpoint: Checkpoint, key: str) -> bytes:
    """The file of a checkpoint."""
    about = {name: getattr(checkpoint, name) for name in ("epoch", "batch", "step", "history")}
    tensors = {
        name: tensor.detach().contiguous().cpu() for name, tensor in checkpoint.state.items()
    }
    return save(tensors, metadata={"checkpoint": json.dumps({"key": key, **about})})


def decode(data: bytes, key: str) -> Checkpoint | None:
    """The checkpoint in a file, or None where it is another training's or damaged: training then starts anew."""
    try:
        state = load(data)
        length = int.from_bytes(data[:_LENGTH], "little")
        about = json.loads(
            json.loads(data[_LENGTH : _LENGTH + length])["__metadata__"]["checkpoint"]
        )
    except (SafetensorError, ValueError, KeyError):
        return None
    if about.pop("key") != key:
        return None
    return Checkpoint(**about, state=state)
