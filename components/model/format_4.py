"""Weights of models in which each view had a map for every seat, also where it was nothing."""

from collections.abc import Mapping

import torch
from torch import Tensor


def with_seats(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same, with the numbers of the seats that each map is of: all."""
    found = dict(weights)
    for name, values in weights.items():
        stem, _, last = name.rpartition(".")
        if name.startswith("committee.views.") and last == "weight":
            found[f"{stem}.seats"] = torch.arange(values.shape[1])
            found[f"{stem}.basis"] = torch.zeros(0, 0)
    return found
