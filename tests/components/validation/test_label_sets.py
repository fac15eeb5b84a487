"""Labels that are sets of classes, and data without labels, from the cell to the coded label."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.config.run import DataConfig, Labels
from components.core.errors import UserError
from components.features.encode import encode
from components.features.store import Features
from components.validation.accept import validate

SETS = [["a", "b"], ["a"], [], None, ["b", "a", "b"], ["c"]]
SPLITS = ["train", "train", "train", "train", "val", "test"]


def _write(folder: Path, cells: Any, target: str, kind: pa.DataType | None = None) -> Path:
    folder.mkdir()
    table = pa.table({"id": [f"r{i}" for i in range(6)], "split": SPLITS, "text": ["some"] * 6})
    if cells is not None:
        table = table.append_column("label", pa.array(cells, kind))
    pq.write_table(table, folder / "records.parquet")
    pq.write_table(pa.table({"id": ["r0"], "seen": [True]}), folder / "labelled.parquet")
    (folder / "dataset.yaml").write_text(
        f"id: id\ntarget: {target}\nsplit: {{column: split}}\n"
        "modalities: {text: {kind: text, column: text}}\n"
    )
    return folder


def _checked(folder: Path, **more: Any) -> tuple[dict[str, Any], Features]:
    root = folder.parent
    for name in ("accepted", "features"):
        (root / name).mkdir()
    options = {"text": {"encoders": ["hashing"]}}
    data = DataConfig(uri=str(folder), **more)
    validate(data=data, modalities=options, out=root / "accepted")
    encode(
        accepted=root / "accepted", data_uri=str(folder), modalities=options,
        cache=root / "cache", out=root / "features",
    )  # fmt: skip
    summary = json.loads((root / "accepted" / "summary.json").read_text())
    return summary, Features.load(root / "features")


@pytest.mark.parametrize("stored", ["list", "text"])
def test_sets_are_coded_by_class(tmp_path: Path, stored: str):
    if stored == "list":
        folder = _write(tmp_path / "set", SETS, "{column: label, kind: multi}")
    else:
        cells = [None if not names else " | ".join(names) for names in SETS]
        folder = _write(tmp_path / "set", cells, "{column: label, kind: multi, separator: '|'}")
    summary, features = _checked(folder)
    assert features.classes == ["a", "b"]  # no training record has c
    empty = [-1, -1] if stored == "text" else [0, 0]  # a text cannot say "none of them"
    wanted = [[1, 1], [1, 0], empty, [-1, -1], [1, 1], [0, 0]]
    assert features.labels.dtype == np.int8
    assert features.labels.tolist() == wanted
    said = " ".join(summary["warnings"])
    assert "'c'" in said
    assert "1 record names a class twice; it counts once" in said
    assert ("empty sets" in said) == (stored == "list")
    budget = summary["label_budget"]
    assert budget["by_class"] == {"a": {"train": 2, "val": 1}, "b": {"train": 1, "val": 1}}
    assert budget["total"] == 4 - (stored == "text")


def test_a_hidden_set_is_not_seen(tmp_path: Path):
    folder = _write(tmp_path / "set", SETS, "{column: label, kind: multi}")
    labels = Labels(file="labelled.parquet", column="seen")
    summary, features = _checked(folder, labels=labels)
    assert features.target.labelled(features.labels).tolist() == [
        True,
        False,
        False,
        False,
        True,
        True,
    ]
    assert summary["label_budget"]["train"] == 1


def test_a_set_with_a_class_that_is_not_listed_is_quarantined(tmp_path: Path):
    target = "{column: label, kind: multi, classes: [a, b]}"
    folder = _write(tmp_path / "set", [*SETS[:5], ["a", "odd"]], target)
    table = pq.read_table(folder / "records.parquet")
    more = table.slice(5).set_column(0, "id", pa.array(["r6"]))
    more = more.set_column(3, "label", pa.array([["b"]], pa.list_(pa.string())))
    pq.write_table(pa.concat_tables([table, more]), folder / "records.parquet")
    _checked(folder)
    (record,) = pq.read_table(tmp_path / "accepted" / "quarantine" / "records.parquet").to_pylist()
    assert record["id"] == "r5"
    assert "'odd'" in record["reasons"][0]


def test_sets_as_text_without_a_separator_are_refused(tmp_path: Path):
    folder = _write(tmp_path / "set", ["a|b"] * 6, "{column: label, kind: multi}")
    with pytest.raises(UserError, match=r"target\.separator"):
        _checked(folder)


def test_a_set_of_records_without_labels_is_accepted(tmp_path: Path):
    summary, features = _checked(_write(tmp_path / "set", None, "{kind: none}"))
    assert features.classes == []
    assert features.labels.shape == (6, 0)
    assert len(features.rows("train", labelled=True)) == 0
    assert summary["label_budget"] == {"train": 0, "val": 0, "total": 0}
    assert summary["warnings"] == []
