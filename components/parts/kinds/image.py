"""Pictures: decoded once to small pixel arrays, then read by a convolutional network that is trained in the run.

Source: group normalisation, Wu & He 2018 (arXiv:1803.08494): no statistics across records, so any batch gives the same answer.
"""

import io
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor, nn

from components.core.errors import BadInput, UsageError
from components.core.refs import digest_json
from components.parts.contracts import Encoder, Raw

VERSION = 1
"""Raise it when the same bytes decode to other pixels."""
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
PREVIEW_PIXELS = 96
_GROUP = 8
"""Channels that are normalised together."""
_PREVIEW_AS_IS = {"PNG", "JPEG", "WEBP", "GIF"}


@dataclass(frozen=True, kw_only=True)
class Config:
    """How pictures are decoded and read.

    Attributes:
        encoder: ``cnn``, the only one so far.
        size: height and width that every picture is scaled to.
        colour: three channels, else one (grey).
        widths: channels of each convolution.
        strides: step of each convolution; a step of 2 halves the picture.
        squeeze: channels that are left of the last convolution before its places are laid side by side.
        shift: training views are moved by at most this share of the size.
        zoom: training views are scaled by at most this share.
        flip: training views may be mirrored left to right.
        max_bytes: larger files are refused before they are opened.
        max_pixels: pictures whose header says more are refused before they are decoded.
    """

    encoder: Literal["cnn"] = "cnn"
    size: tuple[int, int] = (32, 32)
    colour: bool = True
    widths: tuple[int, ...] = (32, 64, 64, 128, 128)
    strides: tuple[int, ...] = (2, 2, 1, 2, 1)
    squeeze: int = 32
    shift: float = 0.06
    zoom: float = 0.0
    flip: bool = False
    max_bytes: int = 20_000_000
    max_pixels: int = 50_000_000

    def __post_init__(self) -> None:
        if len(self.size) != 2 or not all(8 <= side <= 512 for side in self.size):
            raise UsageError(
                f"image size: got {list(self.size)}, wanted [height, width], each from 8 to 512"
            )
        if (
            not self.widths
            or len(self.widths) != len(self.strides)
            or not set(self.strides) <= {1, 2}
        ):
            got = f"{list(self.widths)} and {list(self.strides)}"
            raise UsageError(
                f"image widths and strides: got {got}, wanted two lists of one length, strides of 1 or 2"
            )
        if any(width < _GROUP or width % _GROUP for width in self.widths) or self.squeeze < 1:
            got = f"{list(self.widths)} and {self.squeeze}"
            raise UsageError(
                f"image widths and squeeze: got {got}, wanted multiples of {_GROUP}, and at least 1"
            )
        if not 0 <= self.shift <= 0.5 or not 0 <= self.zoom <= 0.5:
            raise UsageError(
                f"image shift and zoom: got {self.shift} and {self.zoom}, wanted 0 to 0.5"
            )


class ImageModality:
    """Pictures as ``uint8 (height, width, channels)``."""

    kind = "image"
    dtype: np.dtype[Any] = np.dtype(np.uint8)

    def __init__(self, config: Config, name: str) -> None:
        self.name = name
        self._config = config
        self.shape: tuple[int, ...] = (*config.size, 3 if config.colour else 1)

    def digest(self) -> str:
        """SHA-256 of what shapes the pixels (not of the network, which is trained in each run)."""
        shaping = {"size": self._config.size, "colour": self._config.colour}
        return digest_json({"kind": self.kind, "version": VERSION, **shaping})

    def content(self, raw: Raw) -> bytes:
        """The file itself."""
        return self._bytes(raw)

    def check(self, raw: Raw) -> None:
        """Decode in full and forget.

        Raises:
            BadInput: too large, of a format that is not read, or damaged.
        """
        self._decode(raw)

    def encode(self, raws: list[Raw]) -> NDArray[np.uint8]:
        """Pixels ``(n, height, width, channels)``."""
        out = np.empty((len(raws), *self.shape), np.uint8)
        height, width = self._config.size
        for row, raw in enumerate(raws):
            picture = self._decode(raw)
            if picture.size != (width, height):
                picture = picture.resize(
                    (width, height), Image.Resampling.BILINEAR, reducing_gap=2.0
                )
            out[row] = np.asarray(picture).reshape(self.shape)
        return out

    def preview(self, raw: Raw) -> bytes:
        """The file itself where it is small, else a PNG or JPEG of at most 96 pixels."""
        data = self._bytes(raw)
        with self._open(data) as picture:
            if (
                max(picture.size) <= PREVIEW_PIXELS
                and picture.format in _PREVIEW_AS_IS
                and len(data) <= 20_000
            ):
                return data
            lossless = picture.format != "JPEG"
        small = self._decode(data, (PREVIEW_PIXELS, PREVIEW_PIXELS))
        small.thumbnail((PREVIEW_PIXELS, PREVIEW_PIXELS), Image.Resampling.BILINEAR)
        buffer = io.BytesIO()
        small.save(buffer, "PNG" if lossless else "JPEG", **({} if lossless else {"quality": 85}))
        return buffer.getvalue()

    def encoder(self) -> Encoder:
        """A new convolutional network."""
        return ConvEncoder(self._config)

    def _bytes(self, raw: Raw) -> bytes:
        if not isinstance(raw, bytes):
            raise BadInput(self.name, f"a {type(raw).__name__}", "the bytes of an image file")
        if len(raw) > self._config.max_bytes:
            raise BadInput(
                self.name, f"a file of {len(raw):,} bytes", f"at most {self._config.max_bytes:,}"
            )
        return raw

    def _open(self, data: bytes) -> Image.Image:
        """Read the header only."""
        try:
            picture = Image.open(io.BytesIO(data), formats=FORMATS)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise BadInput(
                self.name, "a picture of very many pixels", f"at most {self._config.max_pixels:,}"
            ) from error
        except Exception as error:
            head = data[:8].hex(" ") or "nothing"
            raise BadInput(
                self.name,
                f"{len(data):,} bytes that start with {head}",
                f"an image ({', '.join(FORMATS)})",
            ) from error
        pixels = picture.width * picture.height
        if pixels > self._config.max_pixels:
            raise BadInput(
                self.name,
                f"{picture.width} x {picture.height} pixels",
                f"at most {self._config.max_pixels:,} pixels",
            )
        return picture

    def _decode(self, raw: Raw, size: tuple[int, int] | None = None) -> Image.Image:
        """The whole first frame, upright, in RGB or grey, transparent parts on white."""
        mode = "RGB" if self._config.colour else "L"
        height, width = size or self._config.size
        with self._open(self._bytes(raw)) as picture:
            try:
                picture.draft(mode, (2 * width, 2 * height))
                picture.load()
                if picture.getexif().get(0x0112, 1) != 1:
                    picture = ImageOps.exif_transpose(picture)  # noqa: PLW2901
                if picture.mode in {"RGBA", "LA", "PA"} or "transparency" in picture.info:
                    ground = Image.new("RGBA", picture.size, "white")
                    picture = Image.alpha_composite(ground, picture.convert("RGBA"))  # noqa: PLW2901
                return picture.convert(mode) if picture.mode != mode else picture.copy()
            except Exception as error:  # Pillow's decoders raise many kinds on damaged data
                raise BadInput(
                    self.name,
                    f"a damaged {picture.format} file ({error})",
                    "an image that decodes in full",
                ) from error


class ConvEncoder(Encoder):
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
            layers += [nn.GroupNorm(after // _GROUP, after), nn.ReLU(inplace=True)]
            before, height, width = after, -(-height // stride), -(-width // stride)
        layers += [nn.Conv2d(before, config.squeeze, 1), nn.Flatten()]
        self.layers = nn.Sequential(*layers)
        self.out_dim = config.squeeze * height * width

    def fit(self, inputs: Tensor) -> None:
        """Take each channel's mean and deviation from ``inputs (n, H, W, C)``."""
        if len(inputs):
            pixels = inputs.flatten(0, 2).float()
            self.mean.copy_(pixels.mean(0))
            self.scale.copy_(pixels.std(0).clamp_min(1.0))

    def augment(self, inputs: Tensor) -> Tensor:
        """Move, scale and mirror each picture on its own: one gather of nearest pixels, edges repeated."""
        n, height, width, _ = inputs.shape
        rows = self._positions(n, height, inputs.device, mirrored=False)
        columns = self._positions(n, width, inputs.device, mirrored=self._config.flip)
        flat = inputs.flatten(1, 2)
        at = (rows[:, :, None] * width + columns[:, None, :]).view(n, height * width)
        return flat.gather(1, at[:, :, None].expand(-1, -1, flat.shape[2])).view_as(inputs)

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
        """All places of the last convolution side by side: where something is in a picture says what it is."""
        x = (inputs.float() - self.mean) / self.scale
        features: Tensor = self.layers(x.permute(0, 3, 1, 2))
        return features


def build(config: Config, *, name: str, columns: dict[str, Any]) -> ImageModality:  # noqa: ARG001
    """A modality of pictures; the manifest's columns do not shape it."""
    return ImageModality(config, name)
