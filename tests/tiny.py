"""The synthetic records as a data set on disk, with a configuration that runs in seconds."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests import synthetic

MANIFEST = """\
id: id
target: {column: label, kind: single}
split: {column: split}
modalities:
  image: {kind: image, column: image}
  text: {kind: text, column: text}
  facts:
    kind: tabular
    columns:
      weight: {type: number, unit: gram}
      colour: {type: category}
      tags: {type: set, separator: "|"}
"""

CONFIG = """\
name: tiny
data:
  uri: URI
  labels: {file: labelled.parquet, column: visible}
modalities: OPTIONS
model: {dim: 16, fusion: gated}
labeller: {name: fixed}
training: {epochs: 8, batch_size: 32, seed: 0}
evaluation: {resamples: 200}
gate: {resamples: 200}
"""


def make(folder: Path, records: int = 240, times: list[str | None] | None = None) -> Path:
    """Write the first ``records`` of 400 with all labels; the label file makes some visible.

    Args:
        folder: of the data set.
        records: how many.
        times: of the records, in a column of its own.
    """
    source = synthetic.records()
    (folder / "media" / "images").mkdir(parents=True)
    rows = []
    for row in range(records):
        raw = source.raw(row)
        path = None
        if (picture := raw.get("image")) is not None:
            path = f"images/{source.ids[row]}.png"
            (folder / "media" / path).write_bytes(picture)
        facts = raw.get("facts") or {}
        tags = facts.get("tags")
        rows.append(
            {
                "id": source.ids[row], "split": source.splits[row], "label": source.truth[row],
                "image": path, "text": raw.get("text"),
                "weight": facts.get("weight"), "colour": facts.get("colour"),
                "tags": "|".join(tags) if tags else None,
            }
        )  # fmt: skip
    table = pa.Table.from_pylist(rows)
    if times is not None:
        table = table.append_column("seen", pa.array(times, pa.string()))
    pq.write_table(table, folder / "records.parquet")
    visible = [label is not None for label in source.label[:records]]
    pq.write_table(
        pa.table({"id": source.ids[:records], "visible": visible}), folder / "labelled.parquet"
    )
    manifest = MANIFEST if times is None else f"time: seen\n{MANIFEST}"
    (folder / "dataset.yaml").write_text(manifest, encoding="utf-8")
    return folder


def encoded(root: Path, records: int, times: list[str | None] | None = None) -> Path:
    """Write ``data``, its ``accepted`` records, and the ``features`` from one process."""
    from components.config.run import DataConfig
    from components.features.encode import encode
    from components.validation.accept import validate

    make(root / "data", records, times)
    for name in ("accepted", "features"):
        (root / name).mkdir()
    validate(
        data=DataConfig(uri=str(root / "data")), modalities=synthetic.OPTIONS, out=root / "accepted"
    )
    encode(
        accepted=root / "accepted",
        data_uri=str(root / "data"),
        modalities=synthetic.OPTIONS,
        cache=root / "cache",
        out=root / "features",
    )
    return root


def config(folder: Path, uri: Path, replace: dict[str, str] | None = None) -> Path:
    """Write a run's configuration to ``folder``, return its path; ``replace`` edits its text."""
    text = CONFIG.replace("URI", json.dumps(str(uri))).replace(
        "OPTIONS", json.dumps(synthetic.OPTIONS)
    )
    for old, new in (replace or {}).items():
        assert old in text, old
        text = text.replace(old, new)
    path = folder / "tiny.yaml"
    path.write_text(text, encoding="utf-8")
    return path
