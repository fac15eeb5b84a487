"""A linear map without a norm. Source: none."""

from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True, kw_only=True)
class Config:
    scale: float = 1.0


class Scaled(nn.Module):
    def __init__(self, scale, width, dim):
        super().__init__()
        self.scale, self.map = scale, nn.Linear(width, dim)

    def forward(self, features):
        return self.scale * self.map(features)


def build(config, *, width, dim):
    return Scaled(config.scale, width, dim)
