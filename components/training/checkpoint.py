"""Checkpoints: weights and optimiser state as safetensors, written aside and renamed; nothing is pickled."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

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


def optimiser_state(optimiser: torch.optim.Optimizer, names: Mapping[nn.Parameter, str]) -> dict[str, Tensor]:
    """State of each parameter as ``optimiser/<what>/<parameter>``."""
    return {
        f"optimiser/{what}/{names[parameter]}": value
        for parameter, entries in optimiser.state.items()
        for what, value in entries.items()
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, names: Mapping[nn.Parameter, str], state: Mapping[str, Tensor]) -> None:
    """Put back what ``optimiser_state`` gave."""
    by_name: dict[str, dict[str, Any]] = {}
    for path, value in state.items():
        if path.startswith("optimiser/"):
            _, what, name = path.split("/", 2)
            by_name.setdefault(name, {})[what] = value
    for parameter, name in names.items():
        if name in by_name:
            # The step count stays where the optimiser keeps it: on the parameter's device only where AdamW is fused.
            optimiser.state[parameter] = {what: value.to(parameter.device).clone() for what, value in by_name[name].items()}
