"""Weights of models whose committee had no seats: one sum answered for all records."""

from collections.abc import Mapping

import torch
from torch import Tensor


def seated_weights(weights: Mapping[str, Tensor], modalities: int) -> dict[str, Tensor]:
    """The same with one seat, which answers for every record."""
    found = dict(weights)
    for name, values in weights.items():
        if name == "committee.constant" or (
            name.startswith("committee.") and name.endswith("bias")
        ):
            found[name] = values[None]
        elif name.startswith("committee.") and name.endswith("weight"):
            found[name] = values[:, None]
    return {**found, "committee.patterns": torch.ones(1, modalities, dtype=torch.bool)}
