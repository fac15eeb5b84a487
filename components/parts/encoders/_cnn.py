"""The convolutional network of the encoder ``cnn``, apart because pixels are made without torch."""

import torch
from torch import Tensor, nn

from components.parts.encoders.cnn import GROUP, Config
from components.parts.network import Disturbance, ViewNetwork


class ConvNetwork(ViewNetwork):
    """A small plain convolutional network: ``uint8 (batch, H, W, C)`` to ``(batch, out_dim)``."""

    mean: Tensor
    scale: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self._config = config
        channels = 3 if config.colour else 1
        self.register_buffer("mean", torch.full((channels,), 127.5))
        self.register_buffer("scale", torch.full((channels,), 64.0))
        layers: list[nn.Module] = []
        before = channels
        height, width = config.size
        for after, stride in zip(config.widths, config.strides, strict=True):
            layers.append(nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False))
            layers += [nn.GroupNorm(after // GROUP, after), nn.ReLU(inplace=True)]
            before, height, width = after, -(-height // stride), -(-width // stride)
        layers += [nn.Conv2d(before, config.squeeze, 1), nn.Flatten()]
        self.layers = nn.Sequential(*layers)
        self.out_dim = config.squeeze * height * width

    def fit_statistics(self, inputs: Tensor) -> None:
        """Take each channel's mean and deviation from ``inputs (n, H, W, C)``."""
        if len(inputs):
            pixels = inputs.flatten(0, 2).float()
            self.mean.copy_(pixels.mean(0))
            self.scale.copy_(pixels.std(0).clamp_min(1.0))

    def augment(self, inputs: Tensor) -> Tensor:
        """Move, scale and mirror each picture ``(batch, H, W, C)`` independently.

        One gather takes the nearest pixels; pixels at the edge are repeated.
        """
        n, height, width, _ = inputs.shape
        rows = self._positions(n, height, inputs.device, mirrored=False)
        columns = self._positions(n, width, inputs.device, mirrored=self._config.flip)
        flat = inputs.flatten(1, 2)
        at = (rows[:, :, None] * width + columns[:, None, :]).view(n, height * width)
        return flat.gather(1, at[:, :, None].expand(-1, -1, flat.shape[2])).view_as(inputs)

    def disturb(self, inputs: Tensor, present: Tensor, how: Disturbance) -> Tensor:  # noqa: ARG002
        """Augment, then blacken one square of each picture: ``how.drop`` is its share of the area.

        Source: DeVries & Taylor 2017, cutout (arXiv:1708.04552).
        """
        found = self.augment(inputs) if how.varies else inputs
        if not how.drop:
            return found
        n, height, width, _ = found.shape
        rows, columns = (_span(n, side, how.drop**0.5, found.device) for side in (height, width))
        return found.masked_fill((rows[:, :, None] & columns[:, None, :])[..., None], 0)

    def _positions(self, n: int, side: int, device: torch.device, *, mirrored: bool) -> Tensor:
        """Source position ``(n, side)`` of each target position along one axis."""
        shift = (torch.rand(n, 1, device=device) * 2 - 1) * (self._config.shift * side)
        scale = 1 + (torch.rand(n, 1, device=device) * 2 - 1) * self._config.zoom
        if mirrored:
            scale = torch.where(torch.rand(n, 1, device=device) < 0.5, -scale, scale)
        centre = (side - 1) / 2
        at = (torch.arange(side, device=device)[None] - centre) * scale + centre + shift
        return at.round().long().clamp(0, side - 1)

    def forward(self, inputs: Tensor) -> Tensor:
        """``(batch, H, W, C)`` to ``(batch, out_dim)``.

        The output of the last convolution is flattened, not pooled, since positions matter.
        """
        x = (inputs.float() - self.mean) / self.scale
        features: Tensor = self.layers(x.permute(0, 3, 1, 2))
        return features


def _span(n: int, side: int, share: float, device: torch.device) -> Tensor:
    """Which positions ``(n, side)`` a stretch of this share covers that is drawn for each row."""
    start = torch.rand(n, 1, device=device) * (1 - share) * side
    at = torch.arange(side, device=device) + 0.5
    return (at >= start) & (at < start + share * side)
