"""Decoded pictures of every mode as 8-bit RGB, upright, with transparent parts on white.

Pillow's own conversions cut whatever exceeds 255, so grey values of more than 8 bits are scaled
here, by the range that the *format* gives and never by the values of one picture: a scene that is
darker stays darker.

- 16-bit PNG, JPEG 2000 and PGM: 0 to 65,535 (a PGM file by its own maximum). The PNG chunk
  ``sBIT`` changes nothing, as the standard wants samples that fill the range.
- TIFF: 0 to the largest value of its bits, so 4,095 for 12 and 32,767 for signed 16 bits; white
  is zero where it says so. ``MinSampleValue`` and ``MaxSampleValue`` are statistics, "not to be
  used to affect the visual appearance" (TIFF 6.0, p. 37). 32 bits are what programs store 16-bit
  data in: 0 to 65,535, and a picture without any value between 256 and 65,535 has no known range.
- Floats: from ``SMinSampleValue`` to ``SMaxSampleValue`` where a TIFF file states them, else 0 to
  1. Anything else has no known range.

What has no known range is refused, as is what is not finite; ``levels`` then says what is black and
what is white. Colour profiles are not applied.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from components.core.errors import BadInput
from components.parts.kinds import _formats as formats

_DEEP = {"I", "F", "I;16", "I;16L", "I;16B", "I;16N"}
_TURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT, _STATED = 258, 262, 339, (340, 341)
_SIGNED = 2

Levels = tuple[float, float]


def upright_rgb(picture: Image.Image, levels: Levels | None, field: str) -> Image.Image:
    """Convert a decoded picture.

    Args:
        picture: of any mode, loaded.
        levels: values of black and white in grey pictures of more than 8 bits; None: by the format.
        field: name of the modality, for messages.

    Raises:
        BadInput: values without a known range.
    """
    turn = _TURNED.get(_orientation(picture))
    if picture.mode in _DEEP or _is_signed(picture):
        rgb = _scaled(picture, levels, field)
    elif picture.mode == "RGB" and not picture.has_transparency_data:
        rgb = picture
    else:
        rgb = Image.new("RGB", picture.size)
        for box in formats.strips(picture):
            rgb.paste(_flat(picture.crop(box)), box)
    return rgb if turn is None else rgb.transpose(turn)


def _orientation(picture: Image.Image) -> int:
    try:
        return int(picture.getexif().get(0x0112, 1))
    except Exception:  # Exif data may be damaged in any way, and the picture is sound
        return 1


def _flat(picture: Image.Image) -> Image.Image:
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    if picture.mode == "La":  # Pillow converts it to nothing else
        picture = picture.convert("LA")
    clear = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")


def _is_signed(picture: Image.Image) -> bool:
    """Whether a TIFF file has signed samples of 8 bits, which Pillow reads as unsigned ones."""
    return picture.mode == "L" and _tag(picture, _SAMPLE_FORMAT) == _SIGNED


def _tag(picture: Image.Image, number: int) -> Any:  # noqa: ANN401
    """The value of a tag of a TIFF file, the first of several; None if there is none."""
    if not isinstance(picture, TiffImagePlugin.TiffImageFile):
        return None
    value = picture.tag_v2.get(number)
    return (value[0] if value else None) if isinstance(value, tuple) else value


def _values(picture: Image.Image, box: tuple[int, int, int, int]) -> NDArray[Any]:
    values = np.asarray(picture.crop(box))
    return values.view(np.int8) if picture.mode == "L" else values


def _scaled(picture: Image.Image, levels: Levels | None, field: str) -> Image.Image:
    """Grey values of more than 8 bits, or signed ones, as RGB."""
    least, most = _extent(picture, field)
    black, white = levels or _range(picture, least, most, field)
    if _tag(picture, _PHOTOMETRIC) == 0:
        black, white = white, black
    clear = picture.info.get("transparency")
    grey = Image.new("L", picture.size)
    for box in formats.strips(picture):
        values = _values(picture, box)
        share = (values.astype(np.float64) - black) / (white - black)
        pixels = np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8)
        if isinstance(clear, int):
            pixels[values == clear] = 255
        grey.paste(Image.fromarray(pixels), box)
    return grey.convert("RGB")


def _extent(picture: Image.Image, field: str) -> tuple[float, float]:
    """The least and the largest value."""
    least, most = np.inf, -np.inf
    for box in formats.strips(picture):
        values = _values(picture, box)
        if not np.isfinite(values).all():
            raise BadInput(field, "floats that are infinite or not numbers", "finite ones")
        least, most = min(least, float(values.min())), max(most, float(values.max()))
    return least, most


def _range(picture: Image.Image, least: float, most: float, field: str) -> Levels:
    """Values of black and white by the format."""
    if picture.mode == "F":
        black, white = _stated(picture)
        wide, what = False, "floats"
    else:
        bits = int(_tag(picture, _BITS) or 16)
        signed = _tag(picture, _SAMPLE_FORMAT) == _SIGNED
        wide, what = bits > 16, f"{'signed ' if signed else ''}whole numbers of {bits} bits"
        black, white = 0.0, 2.0 ** (16 if wide else bits - signed) - 1
    ask = f"or `modalities: {{{field}: {{levels: [BLACK, WHITE]}}}}` in the run's configuration"
    got = f"{what} from {least:,.6g} to {most:,.6g}"
    if least < black or most > white:
        raise BadInput(field, got, f"values from {black:,.6g} to {white:,.6g}, {ask}")
    if wide and 0 < most <= 255:
        raise BadInput(field, got, f"some above 255, as 16-bit data have, {ask}")
    return black, white


def _stated(picture: Image.Image) -> Levels:
    """The range of floats: what a TIFF file states, else 0 to 1."""
    black, white = (_tag(picture, number) for number in _STATED)
    if black is None or white is None or not black < white:
        return 0.0, 1.0
    return float(black), float(white)
