"""Pictures in PNG, JPEG, WebP, GIF, BMP, TIFF, JPEG 2000, PBM to PFM, AVIF and HEIC.

The whole first frame is read, upright, in RGB, with transparent parts on white; ``_rgb`` describes
what becomes of grey values of more than 8 bits.

Source: orientation by tag 0x0112 of Exif 2.32 (CIPA DC-008, 2019); Pillow decodes the pixels.
"""

import base64
import io
import math
from dataclasses import dataclass
from typing import Annotated, Any

from PIL import Image
from pydantic import Field

from components.core.errors import BadInput
from components.parts.contracts import Raw
from components.parts.guess import Column
from components.parts.kinds import _formats as formats
from components.parts.kinds import _memory as memory
from components.parts.kinds import _png as png
from components.parts.kinds import _rgb as rgb

RAW = "bytes"
VERSION = 3
"""2: large JPEG files are decoded once for all readers, so their pixels differ in the last bits.
3: grey values of more than 8 bits are scaled by their range; colours that PNG files name as
transparent are found whatever their depth."""
EARLIER = (2,)
"""Models of these versions are answered for: all that they got right is decoded as it was."""
LIBRARIES = ("pi-heif", "pillow")
ENCODERS = ("cnn", "lite")
MEDIA_TYPES = formats.MEDIA_TYPES
SUFFIXES = tuple(MEDIA_TYPES)
UNREAD = formats.UNREAD
_NAMES = f"{', '.join(formats.FORMATS[:-1])} or {formats.FORMATS[-1]}"
ACCEPTS = f"an encoded picture ({_NAMES}) in base64"
PREVIEW_PIXELS = 96
_MOST_PIXELS = 178_956_970
"""Pillow refuses larger pictures, whatever the limit."""
_PREVIEW_AS_IS = {"PNG", "JPEG", "WEBP", "GIF"}
"""Formats that every browser shows."""
_PHOTOS = {"JPEG", "MPO", "AVIF", "HEIF"}
_HEADS = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"RIFF": "image/webp",
}
# A white pixel, small enough to read in the page of the interface.
_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8/5+hHgAHggJ/PchI7wAAAABJRU5ErkJggg=="
)


def guess(column: Column) -> str | None:
    """``modality`` for bytes of a format that is read; an importer finds paths by itself."""
    return "modality" if any(map(formats.named, column.blobs)) else None


def preview_type(preview: bytes | str) -> str:
    """Media type of a preview, by its first bytes."""
    assert isinstance(preview, bytes), type(preview)
    found = (kind for head, kind in _HEADS.items() if preview.startswith(head))
    return next(found, "application/octet-stream")


@dataclass(frozen=True, kw_only=True)
class Config:
    """Limits of pictures.

    Attributes:
        max_bytes: larger files are refused before they are opened.
        max_pixels: pictures whose header gives more are refused before they are decoded.
        levels: values of black and of white in grey pictures of more than 8 bits; values beyond
            are cut. Without it the format's own range counts.
    """

    max_bytes: Annotated[int, Field(ge=1)] = 20_000_000
    max_pixels: Annotated[int, Field(ge=1, le=_MOST_PIXELS)] = 50_000_000
    levels: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.levels is not None and (
            self.levels[0] == self.levels[1] or not all(map(math.isfinite, self.levels))
        ):
            raise ValueError(f"levels: got {list(self.levels)}, wanted two different numbers")


def _side(detail: int) -> int:
    """The shorter side that a JPEG file may be reduced to; 0 to keep all of it."""
    return 2 * max(detail, PREVIEW_PIXELS) if detail else 0


class ImageKind:
    """Pictures of one modality; decoded they are ``PIL.Image.Image`` in RGB."""

    def __init__(self, config: Config, name: str) -> None:
        self.name = name
        self._config = config

    def content(self, raw: Raw) -> bytes:
        """The file itself."""
        if not isinstance(raw, bytes):
            raise BadInput(self.name, f"a {type(raw).__name__}", "the bytes of an image file")
        if len(raw) > self._config.max_bytes:
            most = f"at most {self._config.max_bytes:,} (max_bytes)"
            raise BadInput(self.name, f"a file of {len(raw):,} bytes", most)
        return raw

    def cost(self, raw: Raw, detail: int = 0) -> int:
        """Bytes of memory that decoding takes at most, from the header.

        Raises:
            BadInput: too large, of a format that is not read, or a damaged header.
        """
        data = self.content(raw)
        with self._open(data) as picture:
            return memory.needed(picture, data, _side(detail))

    def decode(self, raw: Raw, detail: int = 0) -> Image.Image:
        """The whole first frame, upright, in RGB, transparent parts on white.

        A JPEG file is decoded at a fraction of its size if that leaves at least twice the pixels of
        ``detail``, the longest side that is needed, and of a preview.

        Raises:
            BadInput: too large, of a format that is not read, damaged, or of values whose range is
                not known.
        """
        data = self.content(raw)
        with self._open(data) as picture:
            try:
                if side := _side(detail):
                    picture.draft("RGB", (side, side))
                png.mend(picture)
                clear = png.clear_of_16_bits(picture)
                picture.load()
                if clear:
                    png.make_clear(picture, clear, data)
                return rgb.upright_rgb(picture, self._config.levels, self.name)
            except (BadInput, MemoryError):
                raise
            except Exception as error:  # Pillow's decoders raise many kinds on damaged data
                got = f"a damaged {picture.format} file ({error})"
                raise BadInput(self.name, got, "an image that decodes in full") from error

    def preview(self, raw: Raw, value: Image.Image) -> bytes:
        """The file itself where it is small, else a PNG or JPEG of at most 96 pixels."""
        data = self.content(raw)
        with self._open(data) as picture:
            small_enough = max(picture.size) <= PREVIEW_PIXELS and len(data) <= 20_000
            if small_enough and picture.format in _PREVIEW_AS_IS:
                return data
            lossless = picture.format not in _PHOTOS
        small = value.copy()
        small.thumbnail((PREVIEW_PIXELS, PREVIEW_PIXELS), Image.Resampling.BILINEAR)
        buffer = io.BytesIO()
        if lossless:
            small.save(buffer, "PNG")
        else:
            small.save(buffer, "JPEG", quality=85)
        return buffer.getvalue()

    def schema(self) -> dict[str, Any]:
        """Base64 text."""
        return {"type": "string", "contentEncoding": "base64"}

    def example(self) -> str:
        """A white pixel."""
        return base64.b64encode(_PIXEL).decode()

    def _open(self, data: bytes) -> Image.Image:
        """Read the header only."""
        most = f"at most {self._config.max_pixels:,} pixels (max_pixels)"
        try:
            picture = formats.opened(data)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise BadInput(self.name, "a picture of very many pixels", most) from error
        except Exception as error:
            if claimed := formats.named(data):
                got = f"a {claimed} file that is damaged or of a form that is not read"
            else:
                got = f"{len(data):,} bytes that start with {data[:8].hex(' ') or 'nothing'}"
            raise BadInput(self.name, got, f"an image ({_NAMES})") from error
        pixels = picture.width * picture.height
        if not 0 < pixels <= self._config.max_pixels:
            got = f"{picture.width} x {picture.height} pixels"
            raise BadInput(self.name, got, most if pixels else "at least one pixel")
        return picture


def build(config: Config, *, name: str, columns: dict[str, Any]) -> ImageKind:  # noqa: ARG001
    """Pictures of a modality; the manifest's columns do not shape them."""
    return ImageKind(config, name)
