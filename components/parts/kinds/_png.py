"""The transparent colour of a PNG file, in the terms of the pixels that Pillow decodes.

Source: PNG specification, third edition, 11.3.1.1 (chunk ``tRNS``). The chunk has the file's own
samples, while Pillow scales 2 and 4 bits to 8, and keeps the high bytes of 16-bit colours.
"""

import numpy as np
from PIL import Image

from components.parts.kinds import _formats as formats


def mend(picture: Image.Image) -> None:
    """Correct the transparent grey of a picture that is open and not loaded."""
    clear = picture.info.get("transparency")
    if _raw_mode(picture).partition(";")[0] == "L" and isinstance(clear, int):
        bits = int(_raw_mode(picture).partition(";")[2] or 8)
        most = (1 << bits) - 1
        picture.info["transparency"] = (clear & most) * 255 // most


def clear_of_16_bits(picture: Image.Image) -> tuple[int, ...] | None:
    """The transparent colour of a picture with 16-bit colours that is open and not loaded."""
    clear = picture.info.get("transparency")
    return clear if _raw_mode(picture) == "RGB;16B" and isinstance(clear, tuple) else None


def make_clear(picture: Image.Image, colour: tuple[int, ...], data: bytes) -> None:
    """Give a loaded picture with 16-bit colours an alpha channel that hides one colour."""
    del picture.info["transparency"]
    hidden = Image.new("L", picture.size, 255)
    with formats.opened(data) as low:
        # Read as if the other byte came first, the low bytes are what is kept.
        low.tile = [low.tile[0]._replace(args="RGB;16L")]  # type: ignore[attr-defined]
        low.load()
        for box in formats.strips(picture):
            same = [
                (np.asarray(part.crop(box)) == np.array(wanted, np.uint8)).all(axis=2)
                for part, wanted in (
                    (picture, [c >> 8 for c in colour]),
                    (low, [c & 255 for c in colour]),
                )
            ]
            hidden.paste(0, box, Image.fromarray(same[0] & same[1]))
    picture.putalpha(hidden)


def _raw_mode(picture: Image.Image) -> str:
    """How the samples are stored; empty if the picture is no PNG file."""
    if picture.format != "PNG" or not picture.tile:  # type: ignore[attr-defined]
        return ""
    return str(picture.tile[0].args)  # type: ignore[attr-defined]
