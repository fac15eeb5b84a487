"""Checkpoints: weights and optimiser state as safetensors, written aside and renamed; nothing is pickled."""

import json
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from components.refs import write_atomically


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A run between two epochs.

    Attributes:
        epoch: epochs done.
        step: optimiser steps done.
        history: one entry for each epoch done.
        state: tensors of the model, the losses and the optimiser, by name.
    """

    epoch: int
    step: int
    history: list[dict[str, float]]
    state: dict[str, Tensor]


def write(path: Path, checkpoint: Checkpoint, key: str) -> None:
    """Put a checkpoint in the place of the one before; a kill at any moment leaves one of the two whole."""
    about = {"key": key, "epoch": checkpoint.epoch, "step": checkpoint.step, "history": checkpoint.history}
    tensors = {name: tensor.detach().contiguous().cpu() for name, tensor in checkpoint.state.items()}
    write_atomically(path, save(tensors, metadata={"checkpoint": json.dumps(about)}))


def read(path: Path, key: str) -> Checkpoint | None:
    """The checkpoint of exactly this training (same ``key``), or None."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get("checkpoint", "{}"))
            if about.get("key") != key:
                return None
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError):
        return None  # a damaged file: training starts anew
    return Checkpoint(epoch=about["epoch"], step=about["step"], history=about["history"], state=state)
