"""The tiny data set with sets of classes, or without labels."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests import synthetic, tiny

CLASSES = [*synthetic.CLASSES, "even"]
"""The shapes, and one class that half of the shapes share."""


def make(folder: Path, records: int = 240, kind: str = "multi") -> Path:
    """The records of ``tiny.make``; every twentieth has the empty set."""
    tiny.make(folder, records)
    table = pq.read_table(folder / "records.parquet")
    truth = table["label"].to_pylist()
    sets = [
        [] if row % 20 == 19 else [c, "even"] if c in synthetic.CLASSES[::2] else [c]
        for row, c in enumerate(truth)
    ]
    place = table.column_names.index("label")
    table = table.set_column(place, "label", pa.array(sets, pa.list_(pa.string())))
    line = "target: {column: label, kind: multi}"
    if kind == "none":
        table, line = table.drop_columns(["label"]), "target: {kind: none}"
    pq.write_table(table, folder / "records.parquet")
    text = tiny.MANIFEST.replace("target: {column: label, kind: single}", line)
    assert line in text
    (folder / "dataset.yaml").write_text(text, encoding="utf-8")
    return folder
