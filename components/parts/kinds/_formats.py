"""The formats of pictures: one table that suffixes, media types and decoders follow from.

Only formats whose decoders are compiled in, take no programs and read no other files are listed;
EPS, PSD, PDF and the like are never opened.
"""

import io
from collections.abc import Iterator
from functools import cache

from PIL import Image, features

_TABLE = {
    ".png": ("image/png", "PNG"),
    ".apng": ("image/apng", "PNG"),
    ".jpg": ("image/jpeg", "JPEG"),
    ".jpeg": ("image/jpeg", "JPEG"),
    ".jpe": ("image/jpeg", "JPEG"),
    ".jfif": ("image/jpeg", "JPEG"),
    ".mpo": ("image/jpeg", "JPEG"),
    ".webp": ("image/webp", "WEBP"),
    ".gif": ("image/gif", "GIF"),
    ".bmp": ("image/bmp", "BMP"),
    ".tif": ("image/tiff", "TIFF"),
    ".tiff": ("image/tiff", "TIFF"),
    ".jp2": ("image/jp2", "JPEG2000"),
    ".jpx": ("image/jpx", "JPEG2000"),
    ".j2k": ("image/j2c", "JPEG2000"),
    ".j2c": ("image/j2c", "JPEG2000"),
    ".pbm": ("image/x-portable-bitmap", "PPM"),
    ".pgm": ("image/x-portable-graymap", "PPM"),
    ".ppm": ("image/x-portable-pixmap", "PPM"),
    ".pnm": ("image/x-portable-anymap", "PPM"),
    ".pfm": ("image/x-portable-floatmap", "PPM"),
    ".avif": ("image/avif", "AVIF"),
    ".heic": ("image/heic", "HEIF"),
    ".heif": ("image/heif", "HEIF"),
    ".hif": ("image/heif", "HEIF"),
}
"""Suffix to media type and Pillow's name of the format."""

_COMPILED = {"WEBP": "webp", "AVIF": "avif", "JPEG2000": "jpg_2000"}
"""Formats that a build of Pillow may lack, and what it calls their decoders."""

FORMATS = tuple(
    name
    for name in dict.fromkeys(name for _, name in _TABLE.values())
    if name not in _COMPILED or features.check(_COMPILED[name])
)
"""Pillow's names of the formats that this machine reads, in the order in which they are tried."""

MEDIA_TYPES = {suffix: media for suffix, (media, name) in _TABLE.items() if name in FORMATS}

UNREAD = {
    **{
        suffix: f"install a Pillow that is built with {name}, or save it as PNG"
        for suffix, (_, name) in _TABLE.items()
        if suffix not in MEDIA_TYPES
    },
    **dict.fromkeys(
        (".ai", ".dds", ".emf", ".eps", ".exr", ".hdr", ".ico", ".icns", ".jxl", ".pcx"),
        "save it as PNG",
    ),
    **dict.fromkeys(
        (".pdf", ".psb", ".psd", ".qoi", ".svg", ".tga", ".wmf", ".xcf"), "save it as PNG"
    ),
    **dict.fromkeys(
        (".3fr", ".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".pef", ".raf", ".rw2", ".srw"),
        "develop the raw file of the camera into JPEG or PNG",
    ),
    **dict.fromkeys(
        (".czi", ".dcm", ".fits", ".lif", ".mrxs", ".ndpi", ".nii", ".nrrd", ".svs", ".vsi"),
        "export its pictures as TIFF or PNG",
    ),
}
"""Suffixes of pictures that are not read, and what to do about each."""


_STRIP_PIXELS = 1 << 18


def opened(data: bytes) -> Image.Image:
    """Read the header only.

    Raises:
        Exception: Pillow's decoders raise many kinds for what is no picture.
    """
    _register()
    return Image.open(io.BytesIO(data), formats=FORMATS)


def named(data: bytes) -> str | None:
    """The format that the first bytes claim, whether or not the rest can be read."""
    _register()
    for name in FORMATS:
        accepts = Image.OPEN[name][1] if name in Image.OPEN else None
        if accepts is not None and accepts(data[:16]) is True:
            return name
    return None


def strips(picture: Image.Image) -> Iterator[tuple[int, int, int, int]]:
    """Boxes of some rows each, so that converting one by one takes little memory."""
    width, height = picture.size
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        yield 0, top, width, min(top + rows, height)


@cache
def _register() -> None:
    """Add HEIC to the formats that Pillow opens; the others are its own."""
    from pi_heif import register_heif_opener  # type: ignore[import-untyped]

    Image.init()
    register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
