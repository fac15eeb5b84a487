"""The first modality takes smaller steps."""

from dataclasses import dataclass

import torch

from components.parts.online import Balance


@dataclass(frozen=True, kw_only=True)
class Config:
    factor: float = 0.5


class First(Balance):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def after_backward(self, scores, gradients, done):
        return torch.where(torch.arange(len(scores)) == 0, 1.0 * self.factor, 1.0)


def build(config, *, modalities):
    return First(config.factor)
