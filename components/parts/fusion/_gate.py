"""Weights over what is there: a softmax with a floor."""

import torch
from torch import Tensor


def gate(scores: Tensor, present: Tensor, floor: float = 0.0) -> Tensor:
    """Weights of modalities ``(batch, modalities)`` that sum to 1, zero where absent.

    With a floor each present modality gets ``floor / count + (1 - floor) * softmax``, so that none
    falls below its share.

    >>> gate(torch.tensor([[1.0, 1.0, 9.0]]), torch.tensor([[True, True, False]])).tolist()
    [[0.5, 0.5, 0.0]]
    """
    weights = scores.float().masked_fill(~present, -torch.inf).softmax(dim=1)
    even = present / present.sum(dim=1, keepdim=True)
    return floor * even + (1 - floor) * weights
