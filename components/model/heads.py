"""Linear heads, for targets of any width."""

import torch
from torch import nn


def linear_head(dim: int, width: int) -> nn.Linear:
    """Return a linear map from ``(batch, dim)`` to logits ``(batch, width)``.

    Torch warns when it initialises an empty weight, so that one is set here for a width of 0.
    """
    if width:
        return nn.Linear(dim, width)
    with torch.device("meta"):
        empty = nn.Linear(dim, 1)
    empty.out_features = 0
    empty.weight, empty.bias = nn.Parameter(torch.empty(0, dim)), nn.Parameter(torch.empty(0))
    return empty
