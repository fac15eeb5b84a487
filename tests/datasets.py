"""Small data sets written to disk, valid or with one error."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

MANIFEST = """\
id: id
target: {column: label, kind: single}
group: group
split: {column: split}
modalities:
  image: {kind: image, column: image}
  text: {kind: text, column: text}
  facts:
    kind: tabular
    columns:
      size: {type: number, unit: cm}
      bonus: {type: number, null: {default: 0}}
      colour: {type: category}
      tags: {type: set, separator: ";"}
slices: [colour]
"""
COLUMNS = {
    **dict.fromkeys(
        ("id", "group", "split", "label", "image", "text", "colour", "tags"), pa.string()
    ),
    **dict.fromkeys(("size", "bonus"), pa.float64()),
}


def png(grey: int = 128, side: int = 6) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((side, side), grey, dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def rows(n: int = 48) -> list[dict[str, Any]]:
    """Records of two classes, eight of twelve in train; each has all modalities."""
    splits = ["train"] * 8 + ["val"] * 2 + ["test"] * 2
    return [
        {
            "id": f"r{i}",
            "group": f"g{i // 2}",
            "split": splits[(i // 2) % 12],
            "label": ("cat", "dog")[i % 2],
            "image": f"images/{i}.png",
            "text": f"a picture of number {i}",
            "size": float(i),
            "bonus": None,
            "colour": ("red", "blue")[i % 3 == 0],
            "tags": "a;b",
        }
        for i in range(n)
    ]


def write(
    folder: Path,
    records: list[dict[str, Any]] | None = None,
    *,
    manifest: str = MANIFEST,
    change: Callable[[pa.Table], pa.Table] = lambda t: t,
    media: dict[str, bytes] | None = None,
) -> Path:
    """Write a data set; ``change`` edits the table last, ``media`` replaces good pictures."""
    records = rows() if records is None else records
    (folder / "media").mkdir(parents=True)
    table = change(pa.Table.from_pylist(records, pa.schema(list(COLUMNS.items()))))
    pq.write_table(table, folder / "records.parquet", row_group_size=16)
    files = {r["image"]: png(i % 256) for i, r in enumerate(records) if r["image"] is not None} | (
        media or {}
    )
    packed = pa.table({"path": list(files), "bytes": pa.array(list(files.values()), pa.binary())})
    pq.write_table(packed, folder / "media" / "images-000.parquet", row_group_size=7)
    (folder / "dataset.yaml").write_text(manifest)
    return folder


def shared(name: str) -> Path | None:
    """A development set beside the checkout, where there is one."""
    folder = Path(__file__).parents[1].parent / "shared" / "data" / name
    return folder if (folder / "records.parquet").exists() else None
