"""The built-in data set: drawn characters, disturbed by a recipe, written as a data set."""

import argparse
import io
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from components.core.errors import UserError
from components.core.failures import ended
from components.core.files import written_aside
from components.core.progress import Progress, silent
from components.core.yaml_file import parse_yaml
from components.data.manifest import FILE, parse
from components.data.packed import PackedMedia
from components.data.splits import assign
from components.glyphs.card import describe, write_accuracies
from components.glyphs.drawing import FACES, Glyph, draw_faces
from components.glyphs.recipe import (
    Recipe,
    draw_labels,
    dropped,
    masked,
    noisy,
    nulled,
    read_recipe,
    telling_words,
)

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
