"""The network of the encoder ``fields``, apart because vectors are made without torch.

Source: inverse normal scores, Conover & Iman 1981, as in scikit-learn's ``QuantileTransformer``.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from components.parts.encoders.fields import Config
from components.parts.network import Disturbance, ViewNetwork, mixed

KNOTS = 100
_FARTHEST = 1e38
"""Two knots this far from 0 still have a distance in float32."""


class FieldsNetwork(ViewNetwork):
    """One hidden layer over normal scores, marks for missing numbers, and hashed members.

    A number's score is a line through ``KNOTS`` points: quantiles of the training records, and the
    same quantiles of a normal variable. Repeated points at the end have no effect.
    """

    knots: Tensor
    levels: Tensor

    def __init__(self, config: Config, numbers: int, size: int) -> None:
        super().__init__()
        self._numbers, self._clip, self._dropout = numbers, config.clip, config.dropout
        knots, levels = _straight(torch.zeros(numbers), torch.ones(numbers), config.clip)
        self.register_buffer("knots", knots)
        self.register_buffer("levels", levels)
        self.layers = nn.Sequential(
            nn.Linear(size + numbers, config.width), nn.GELU(), nn.LayerNorm(config.width)
        )
        self.out_dim, self.light_dim = config.width, size + numbers

    def fit_statistics(self, inputs: Tensor) -> None:
        """Take each number's quantiles from ``inputs (n, size)``, without missing ones."""
        for column in range(self._numbers):
            values = inputs[:, column].cpu().numpy().astype(np.float64)
            values = values[~np.isnan(values)]
            if len(values):
                knots, shares = quantiles(values, KNOTS)
                levels = torch.special.ndtri(torch.from_numpy(shares))
                self.knots[column] = _padded(torch.from_numpy(knots))
                self.levels[column] = _padded(levels.clamp(-self._clip, self._clip))

    def light(self, inputs: Tensor) -> Tensor:
        """Scores, marks for missing numbers and hashed members ``(batch, size + numbers)``."""
        numbers, hashed = inputs[:, : self._numbers], inputs[:, self._numbers :]
        missing = numbers.isnan()
        scores = self.scores(numbers).masked_fill(missing, 0.0)
        return torch.cat([scores, missing.to(inputs.dtype), hashed], dim=1)

    def forward(self, inputs: Tensor) -> Tensor:
        """``(batch, size)`` to ``(batch, width)``."""
        joined = F.dropout(self.light(inputs), self._dropout, self.training)
        encoded: Tensor = self.layers(joined)
        return encoded

    def disturb(self, inputs: Tensor, present: Tensor, how: Disturbance) -> Tensor:
        """Take fields from other records, and let numbers go missing and members go."""
        found = mixed(inputs, present, how.mix)
        if not how.drop:
            return found
        nothing = torch.zeros_like(found[:1])
        nothing[:, : self._numbers] = torch.nan
        return torch.where(torch.rand_like(found) < how.drop, nothing, found)

    def scores(self, numbers: Tensor) -> Tensor:
        """Normal scores of numbers, both ``(batch, numbers)``; NaN stays NaN."""
        # Each piece of the line adds the share of its rise that a number has climbed.
        # Differences by hand: `diff` cannot be exported.
        width = self.knots[:, 1:] - self.knots[:, :-1]
        rise = self.levels[:, 1:] - self.levels[:, :-1]
        width = torch.where(width > 0, width, torch.ones_like(width))
        climbed = ((numbers[:, :, None] - self.knots[:, :-1]) / width).clamp(0, 1)
        return self.levels[:, 0] + (climbed * rise).sum(2)

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        *rest: Any,  # noqa: ANN401
    ) -> None:
        """Read the means and scales of models before quantiles too: they make a straight line."""
        mean = state_dict.pop(f"{prefix}mean", None)
        scale = state_dict.pop(f"{prefix}scale", None)
        if mean is not None and scale is not None:
            knots, levels = _straight(mean, scale, self._clip)
            state_dict |= {f"{prefix}knots": knots, f"{prefix}levels": levels}
        super()._load_from_state_dict(state_dict, prefix, *rest)


def quantiles(
    values: NDArray[np.float64], most: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distinct quantiles ``(k,)`` of values ``(n,)``, and the share of values below each.

    There are at most ``most``, and at most as many as values. A value that many share has the
    middle of their shares; the ends are half a step from 0 and 1, whose normal scores are infinite.
    """
    count = min(most, len(values))
    steps = np.linspace(0, 1, count) if count > 1 else np.full(1, 0.5)
    found = np.quantile(values, steps).clip(-_FARTHEST, _FARTHEST).astype(np.float32)
    knots, owner = np.unique(found, return_inverse=True)
    shares = np.bincount(owner, steps) / np.bincount(owner)
    return knots.astype(np.float64), shares.clip(0.5 / count, 1 - 0.5 / count)


def _padded(points: Tensor) -> Tensor:
    """Points ``(k,)`` as float32 ``(KNOTS,)``, the last one repeated."""
    points = points.float()
    return torch.cat([points, points[-1:].expand(KNOTS - len(points))])


def _straight(mean: Tensor, scale: Tensor, clip: float) -> tuple[Tensor, Tensor]:
    """Knots and levels ``(numbers, KNOTS)`` of ``(x - mean) / scale``, cut at ``clip``."""
    knots = [
        _padded(torch.stack([m - clip * s, m + clip * s])) for m, s in zip(mean, scale, strict=True)
    ]
    levels = _padded(torch.tensor([-clip, clip])).expand(len(mean), KNOTS)
    return (torch.stack(knots) if knots else torch.zeros(0, KNOTS)), levels.clone()
