"""The network of the encoder ``fields``, apart because vectors are made without torch."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from components.parts.encoders.fields import Config
from components.parts.network import ViewNetwork


class FieldsNetwork(ViewNetwork):
    """One hidden layer over standardised numbers, marks for missing ones, and hashed members."""

    mean: Tensor
    scale: Tensor

    def __init__(self, config: Config, numbers: int, size: int) -> None:
        super().__init__()
        self._numbers, self._clip, self._dropout = numbers, config.clip, config.dropout
        self.register_buffer("mean", torch.zeros(numbers))
        self.register_buffer("scale", torch.ones(numbers))
        self.layers = nn.Sequential(
            nn.Linear(size + numbers, config.width), nn.GELU(), nn.LayerNorm(config.width)
        )
        self.out_dim = config.width

    def fit_statistics(self, inputs: Tensor) -> None:
        """Take each number's median and spread over ``inputs (n, size)``, without missing ones."""
        for column in range(self._numbers):
            values = inputs[:, column]
            values = values[~values.isnan()].double()
            if len(values):
                low, middle, high = torch.quantile(
                    _thinned(values), torch.tensor([0.16, 0.5, 0.84], dtype=torch.float64)
                )
                # Half the distance between these quantiles is the standard deviation of a normal
                # variable. A column that is nearly constant falls back on its true deviation.
                spread = (high - low) / 2
                spread = spread if spread > 0 else values.std(correction=0)
                self.mean[column] = middle
                self.scale[column] = spread if spread > 0 else 1.0

    def forward(self, inputs: Tensor) -> Tensor:
        """``(batch, size)`` to ``(batch, width)``."""
        numbers, hashed = inputs[:, : self._numbers], inputs[:, self._numbers :]
        missing = numbers.isnan()
        standard = ((numbers - self.mean) / self.scale).clamp(-self._clip, self._clip)
        joined = torch.cat(
            [standard.masked_fill(missing, 0.0), missing.to(inputs.dtype), hashed], dim=1
        )
        encoded: Tensor = self.layers(F.dropout(joined, self._dropout, self.training))
        return encoded


def _thinned(values: Tensor, at_most: int = 1_000_000) -> Tensor:
    """Evenly spaced ones of values ``(n,)``, since ``torch.quantile`` refuses very many."""
    return values[:: math.ceil(len(values) / at_most)]
