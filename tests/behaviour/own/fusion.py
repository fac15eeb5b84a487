"""The mean of what is present."""

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import nn


@dataclass(frozen=True, kw_only=True)
class Config:
    scale: Annotated[float, Field(gt=0)] = 1.0


class Mean(nn.Module):
    def __init__(self, names, scale):
        super().__init__()
        self.names = names
        self.scale = nn.Parameter(torch.tensor(scale))

    def forward(self, parts, present):
        stacked = torch.stack([parts[name] for name in self.names], dim=1)
        weights = present.to(stacked.dtype)[:, :, None]
        return self.scale * (stacked * weights).sum(dim=1) / weights.sum(dim=1)


def build(config, *, names, dim, dropout):
    return Mean(names, config.scale)
