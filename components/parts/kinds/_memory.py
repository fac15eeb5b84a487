"""The memory that decoding a picture takes, from its header alone."""

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

_PER_PIXEL = {
    "PNG": 10,
    "JPEG": 10,
    "MPO": 10,
    "GIF": 10,
    "BMP": 10,
    "PPM": 10,
    "HEIF": 10,
    "AVIF": 16,
    "TIFF": 18,
    "WEBP": 20,
    "JPEG2000": 28,
}
"""Bytes held per pixel at the peak, with the RGB picture and what the decoder needs beside it.

Measured with pictures of 20 megapixels, of the modes that need most, and rounded up.
"""
_SCAN, _ALONE = 0xDA, {0x01, *range(0xD0, 0xD9)}
"""The JPEG marker that starts a scan, and those that no length follows."""


def needed(picture: Image.Image, data: bytes, side: int) -> int:
    """Bytes that decoding takes at most.

    Args:
        picture: open and not loaded.
        data: its file.
        side: the shorter side that a JPEG file may be reduced to; 0: it is decoded in full.
    """
    kept = 0
    if isinstance(picture, JpegImageFile):
        kept = _coefficients(picture) if _has_several_scans(picture, data) else 0
        if side:
            picture.draft("RGB", (side, side))
    return kept + _PER_PIXEL[str(picture.format)] * picture.width * picture.height


def _coefficients(picture: JpegImageFile) -> int:
    """Bytes of the coefficients of the whole picture, two for each sample."""
    sizes = [(across, down) for _, across, down, _ in picture.layer]
    most = max(across for across, _ in sizes) * max(down for _, down in sizes)
    samples = sum(across * down for across, down in sizes)
    return 2 * picture.width * picture.height * samples // most


def _has_several_scans(picture: JpegImageFile, data: bytes) -> bool:
    """Whether the decoder keeps the coefficients until the last scan, as progressive files want."""
    if picture.info.get("progressive"):
        return True
    at = 2
    while at + 4 < len(data):
        marker = data[at + 1]
        if data[at] != 0xFF or marker == 0xFF:
            at += 1  # fill bytes
        elif marker in _ALONE:
            at += 2
        elif marker == _SCAN:
            return data[at + 4] < len(picture.layer)
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return True
