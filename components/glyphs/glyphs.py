"""The built-in data set: pictures, names and facts of Unicode characters, made locally.

Source: Python's ``unicodedata`` (names, properties), fontTools (blocks), the DejaVu fonts that
Matplotlib contains.
"""

import argparse
import io
import sys
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageDraw, ImageFont
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from components.core.errors import UsageError, UserError, unknown_name
from components.core.failures import ended
from components.core.files import written_aside
from components.core.progress import Progress, silent
from components.core.strict import all_at_once, explain
from components.core.yaml_file import parse_yaml, read_yaml
from components.data.manifest import FILE, parse
from components.data.packed import PackedMedia
from components.data.splits import assign
from components.glyphs.card import describe, write_accuracies
from components.glyphs.recipe import (
    Recipe,
    draw_labels,
    dropped,
    masked,
    noisy,
    nulled,
    telling_words,
)

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
_MANIFEST = """\
# Pictures, names and facts of Unicode characters; what each column means.
id: id
target: {column: label, kind: single}     # its script, or its block where scripts share it; \
empty = unlabelled
group: group                              # all faces of one character are one group
split: {salt: glyphs, validation: 0.1, test: 0.2}
modalities:
  image: {kind: image, column: image}
  text: {kind: text, column: text}
  facts:
    kind: tabular
    columns:
      category: {type: category}          # letter, mark, symbol ...
      bidirectional: {type: category}
      width_class: {type: category}       # East Asian width
      mirrored: {type: number}
      combining: {type: number}
      numeric: {type: number}
      advance: {type: number, unit: em}
      ink_left: {type: number, unit: em}
      ink_bottom: {type: number, unit: em}
      ink_width: {type: number, unit: em}
      ink_height: {type: number, unit: em}
slices: [face]
"""
_FACTS: dict[str, pa.DataType] = {
    **dict.fromkeys(("category", "bidirectional", "width_class"), pa.string()),
    **dict.fromkeys(
        (
            "mirrored",
            "combining",
            "numeric",
            "advance",
            "ink_left",
            "ink_bottom",
            "ink_width",
            "ink_height",
        ),
        pa.float64(),
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


def make_glyphs(target: Path, recipe: Recipe | None = None, progress: Progress = silent) -> None:
    """Make the glyph set in a folder that does not exist yet.

    ``card.write_accuracies(target)`` adds the accuracy of each modality to ``card.md``. The same
    recipe gives the same bytes (with the same font, Pillow and pyarrow).

    Args:
        target: the folder; it gets ``records.parquet``, ``media/``, ``labelled.parquet``,
            ``dataset.yaml`` and ``card.md``.
        recipe: which labels are hidden, which modalities dropped, how much noise is added.
        progress: called after every thousand characters.

    Raises:
        UserError: the folder exists.
    """
    recipe = recipe or Recipe()
    if target.exists():
        raise UserError(
            f"{target} exists and is never overwritten; give another folder, or remove it first"
        )
    glyphs = draw_faces(recipe.faces, progress)
    counts = Counter(g.family for g in glyphs if g.face == FACES[recipe.faces][0])
    labels = [g.family if counts[g.family] >= recipe.rare else None for g in glyphs]
    with written_aside(target) as folder:
        rows, media = _records(glyphs, labels, recipe, progress)
        pq.write_table(
            pa.Table.from_pylist(rows, _schema()), folder / "records.parquet", row_group_size=10_000
        )
        with PackedMedia(folder / "media", "images") as packed:
            for path, picture in media:
                packed.add(path, picture)
        split = parse(parse_yaml(_MANIFEST, FILE).tree).split
        splits = assign([r["group"] for r in rows], split)
        train = [r for r, s in zip(rows, splits, strict=True) if s == "train"]
        drawn = draw_labels([r["id"] for r in train], [r["label"] for r in train], recipe)
        pq.write_table(pa.table(drawn), folder / "labelled.parquet")
        (folder / "dataset.yaml").write_text(_MANIFEST, encoding="utf-8")
        (folder / "card.md").write_text(describe(rows, splits, drawn, recipe), encoding="utf-8")


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


def _records(
    glyphs: Sequence[Glyph], labels: Sequence[str | None], recipe: Recipe, progress: Progress
) -> tuple[list[dict[str, Any]], list[tuple[str, bytes]]]:
    """Rows of ``records.parquet``, and the pictures by path."""
    telling = telling_words([g.name for g in glyphs], [g.family for g in glyphs])
    faces = FACES[recipe.faces]
    rows: list[dict[str, Any]] = []
    media: list[tuple[str, bytes]] = []
    for done, (glyph, label) in enumerate(zip(glyphs, labels, strict=True)):
        random = recipe.generator(0, glyph.code, faces.index(glyph.face))
        lost = dropped(recipe, random)
        text = masked(glyph.name, telling, recipe, random)
        facts = nulled(glyph.facts, recipe, random)
        character = f"u{glyph.code:05x}"
        key = character if len(faces) == 1 else f"{character}-{glyph.face}"
        path = None if "image" in lost else f"images/{key}.png"
        if path is not None:
            media.append((path, _png(noisy(glyph.picture, recipe, random))))
        rows.append(
            {
                "id": key,
                "group": character,
                "label": label,
                "face": glyph.face,
                "image": path,
                "text": None if "text" in lost or not text else text,
                **(dict.fromkeys(facts) if "facts" in lost else facts),
            }
        )
        if done % 1000 == 0:
            progress("writing records", done, len(glyphs))
    # A record whose name lost every word keeps the first word if it has no other modality.
    for row, glyph in zip(rows, glyphs, strict=True):
        if row["image"] is None and row["text"] is None and all(row[f] is None for f in _FACTS):
            row["text"] = glyph.name.split()[0]
    progress("writing records", len(glyphs), len(glyphs))
    return rows, media


def _png(picture: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _schema() -> pa.Schema:
    texts = ("id", "group", "label", "face", "image", "text")
    return pa.schema([*((name, pa.string()) for name in texts), *_FACTS.items()])


def read_recipe(path: Path) -> Recipe:
    """The recipe under ``glyphs`` in a parameter file.

    Raises:
        UsageError: the file cannot be read, or has options that the recipe lacks.
    """
    document = read_yaml(path, f"no parameters at {path}; wanted a YAML file with `glyphs:`")
    options = document.tree.get("glyphs", {})
    if not isinstance(options, dict):
        options, document.mistakes[:] = {}, [f"glyphs: got {options!r}, wanted a mapping"]
    known = {f.name for f in fields(Recipe)}
    problems = document.mistakes + [
        f"glyphs.{unknown_name('option', k, known)}" for k in options if k not in known
    ]
    given = {k: v for k, v in options.items() if k in known}
    try:
        # JSON knows lists only, so that strict checks accept them for tuples.
        recipe = TypeAdapter(Recipe).validate_json(to_json(given), strict=True)
    except ValidationError as error:
        raise all_at_once(path, explain(error, Recipe, "glyphs") + problems) from error
    if problems:
        raise all_at_once(path, problems)
    return recipe


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the glyph set from the command line; DVC's data stage runs it.

    Usage: ``python -m components.glyphs.glyphs FOLDER [--params params.yaml]``.
    """
    parser = argparse.ArgumentParser(description="make the built-in glyph set")
    parser.add_argument("target", type=Path)
    parser.add_argument("--params", type=Path)
    parser.add_argument(
        "--card",
        action="store_true",
        help="also measure each modality alone and write it into card.md",
    )
    chosen = parser.parse_args(arguments)

    def work() -> None:
        make_glyphs(chosen.target, read_recipe(chosen.params) if chosen.params else None)
        if chosen.card:
            write_accuracies(chosen.target)

    return ended(work)


if __name__ == "__main__":
    sys.exit(main())
