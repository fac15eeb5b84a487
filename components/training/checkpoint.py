"""Checkpoints: weights and optimiser state as safetensors, written aside and renamed; no pickle."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from components.core.files import write_atomically

LENGTH_BYTES = 8
"""Bytes at the beginning of a safetensors file that hold the length of its header."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A training run between two steps.

    Attributes:
        epoch: epochs done.
        batch: batches of the next epoch done; 0 between two epochs.
        step: optimiser steps done.
        history: one entry for each epoch done.
        state: tensors of the model, the losses and the optimiser, by name; within an epoch also
            the sums of the losses and the state of the random number generators.
    """

    epoch: int
    batch: int = 0
    step: int
    history: list[dict[str, float]]
    state: dict[str, Tensor]


class Store(Protocol):
    """Keeps the last checkpoint of each training run, by name."""

    def read(self, name: str, key: str) -> Checkpoint | None:
        """The furthest checkpoint with exactly this ``key``, or None."""
        ...

    def write(self, name: str, checkpoint: Checkpoint, key: str) -> None:
        """Replace the checkpoint before; a kill at any moment leaves one of the two whole."""
        ...


@dataclass(frozen=True)
class Folder:
    """A local folder that survives a kill; it belongs to one training task."""

    path: Path

    def read(self, name: str, key: str) -> Checkpoint | None:
        """See ``Store``."""
        path = self.path / f"{name}.safetensors"
        return decode(path.read_bytes(), key) if path.is_file() else None

    def write(self, name: str, checkpoint: Checkpoint, key: str) -> None:
        """See ``Store``."""
        write_atomically(self.path / f"{name}.safetensors", encode(checkpoint, key))


def encode(checkpoint: Checkpoint, key: str) -> bytes:
    """The bytes of a checkpoint's file."""
    about = {name: getattr(checkpoint, name) for name in ("epoch", "batch", "step", "history")}
    tensors = {
        name: tensor.detach().contiguous().cpu() for name, tensor in checkpoint.state.items()
    }
    return save(tensors, metadata={"checkpoint": json.dumps({"key": key, **about})})


def decode(data: bytes, key: str) -> Checkpoint | None:
    """The checkpoint in a file; None if the file is damaged or has another key."""
    try:
        state = load(data)
        length = int.from_bytes(data[:LENGTH_BYTES], "little")
        about = described(json.loads(data[LENGTH_BYTES : LENGTH_BYTES + length]))
    except (SafetensorError, ValueError, KeyError):
        return None
    if about.pop("key") != key:
        return None
    return Checkpoint(**about, state=state)


def described(header: Mapping[str, Any]) -> dict[str, Any]:
    """Key, epoch, batch, step and history in the header of a checkpoint's file.

    Raises:
        KeyError: it is not the header of a checkpoint.
        ValueError: nor is its description JSON.
    """
    about: dict[str, Any] = json.loads(header["__metadata__"]["checkpoint"])
    return about
