"""Pictures, names and facts of Unicode characters, as given by fonts and tables.

Source: Python's ``unicodedata`` (names, properties), fontTools (blocks), the DejaVu fonts that
Matplotlib contains.
"""

import unicodedata
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from components.core.errors import UsageError, UserError, unknown_name
from components.core.progress import Progress, silent

SIZE = 32
"""Side of a picture in pixels."""
_EM = 24
"""Font size at which the tallest accented letters still fit."""
_CANVAS = 96
"""Side of the canvas in pixels, before cutting out: room for the widest character."""
FACES = {
    "regular": ("DejaVuSans",),
    "all": (
        *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-BoldOblique", "DejaVuSans-Oblique"),
        *(
            "DejaVuSansMono",
            "DejaVuSansMono-Bold",
            "DejaVuSansMono-BoldOblique",
            "DejaVuSansMono-Oblique",
        ),
        *("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-BoldItalic", "DejaVuSerif-Italic"),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Glyph:
    """One character in one face, before the recipe.

    The picture has ``(SIZE, SIZE)`` grey levels; ink is 255.
    """

    code: int
    face: str
    name: str
    family: str
    picture: np.ndarray[Any, np.dtype[np.uint8]]
    facts: dict[str, Any]


def draw_faces(faces: str = "regular", progress: Progress = silent) -> list[Glyph]:
    """Render and describe every named character of the faces, in the order of code points.

    Raises:
        UsageError: unknown choice of faces.
        UserError: Matplotlib's fonts are not installed.
    """
    if faces not in FACES:
        raise UsageError(unknown_name("choice of faces", faces, FACES))
    from fontTools.ttLib import TTFont

    glyphs = []
    for face in FACES[faces]:
        file = _fonts() / f"{face}.ttf"
        with TTFont(file, lazy=True) as font:
            codes = sorted(c for c in font.getBestCmap() if unicodedata.name(chr(c), None))
        brush = ImageFont.truetype(str(file), _EM, layout_engine=ImageFont.Layout.BASIC)
        for done, code in enumerate(codes):
            character = chr(code)
            picture, measures = _draw(character, brush)
            glyphs.append(
                Glyph(
                    code=code,
                    face=face,
                    name=unicodedata.name(character),
                    family=_family(character),
                    picture=picture,
                    facts={**_facts(character), **measures},
                )
            )
            if done % 1000 == 0:
                progress(f"drawing {face}", done, len(codes))
        progress(f"drawing {face}", len(codes), len(codes))
    return glyphs


def _family(character: str) -> str:
    """The character's script, or its Unicode block if many scripts share it (such as arrows)."""
    from fontTools import unicodedata as tables

    script: str = tables.script_name(tables.script(character))
    block: str = tables.block(character)
    return block if script in ("Common", "Inherited") else script


def _fonts() -> Path:
    """Matplotlib's folder of fonts, without importing Matplotlib."""
    spec = find_spec("matplotlib")
    if spec is None or spec.origin is None:
        raise UserError(
            "the glyph set is drawn with the fonts that Matplotlib carries; "
            "install the extra: pip install 'concord[study]'"
        )
    return Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"


def _draw(
    character: str, brush: ImageFont.FreeTypeFont
) -> tuple[np.ndarray[Any, np.dtype[np.uint8]], dict[str, float]]:
    """A picture with the character's ink in the middle, and its measures in em."""
    canvas = Image.new("L", (_CANVAS, _CANVAS))
    brush_at = (_CANVAS // 3, _CANVAS * 2 // 3)
    ImageDraw.Draw(canvas).text(brush_at, character, fill=255, font=brush, anchor="ls")
    left, top, right, bottom = canvas.getbbox() or (*brush_at, *brush_at)  # a space has no ink
    x, y = (left + right - SIZE) // 2, (top + bottom - SIZE) // 2
    measures = {
        "advance": brush.getlength(character),
        "ink_left": left - brush_at[0],
        "ink_bottom": brush_at[1] - bottom,
        "ink_width": right - left,
        "ink_height": bottom - top,
    }
    picture = np.asarray(canvas.crop((x, y, x + SIZE, y + SIZE)))
    return picture, {name: round(float(size) / _EM, 3) for name, size in measures.items()}


def _facts(character: str) -> dict[str, Any]:
    """Properties of a character, without its code point and decomposition."""
    return {
        "category": unicodedata.category(character),
        "bidirectional": unicodedata.bidirectional(character) or None,
        "width_class": unicodedata.east_asian_width(character),
        "mirrored": float(unicodedata.mirrored(character)),
        "combining": float(unicodedata.combining(character)),
        "numeric": unicodedata.numeric(character, None),
    }
