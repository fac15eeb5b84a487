"""The ``validate`` step on whole sets: what it writes, and what it stops at."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.config.run import Labels
from components.core.errors import UserError
from components.core.refs import digest_folder
from components.data.manifest import parse
from components.validation.accept import main
from tests import datasets
from tests.components.validation.checked import checked

ROOT = Path(__file__).parents[3]


def test_a_good_set_is_accepted_whole_in_order(tmp_path: Path):
    summary = checked(datasets.write(tmp_path / "set"), tmp_path / "out")
    table = pq.read_table(tmp_path / "out" / "records.parquet")
    assert table.column_names == [
        "id",
        "group",
        "split",
        "label",
        "size",
        "bonus",
        "colour",
        "tags",
        "image",
        "text",
    ]
    assert table["id"].to_pylist() == [f"r{i}" for i in range(48)]
    assert summary["split"] == {"train": 32, "val": 8, "test": 8}
    assert summary["label_budget"] == {"train": 32, "val": 8, "total": 40}
    assert summary["warnings"] == []
    stored = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert stored["classes"] == ["cat", "dog"]
    assert parse(stored["manifest"]).split.column == "split"
    page = (tmp_path / "out" / "data_docs" / "index.html").read_text()
    assert "records" in page
    pages = [
        p.read_text() for p in (tmp_path / "out" / "data_docs" / "validations").rglob("*.html")
    ]
    assert len(pages) == 1
    assert "image readable" in pages[0]
    assert "max_pixels" in pages[0]


def _all(
    field: str, value: object, when: Callable[[dict[str, Any]], bool] = lambda _: True
) -> Callable[[list[dict[str, Any]]], None]:
    def change(records: list[dict[str, Any]]) -> None:
        for r in records:
            if when(r):
                r[field] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_all("split", "train", lambda r: r["split"] == "test"), "no record in split test"),
        (_all("label", None), "no training record has a visible label"),
        (_all("label", None, lambda r: r["split"] == "train" and r["label"] == "dog"), "'dog'"),
        (_all("image", None), "no record has modality image"),
        (_all("group", "one"), "1 groups lie in several splits"),
        (_all("id", "same"), "more than half"),
        (_all("id", None), "none of the 48 records is usable"),
    ],
)
def test_a_set_that_cannot_be_used_stops_with_one_message(tmp_path: Path, change, said: str):
    records = datasets.rows()
    change(records)
    with pytest.raises(UserError, match=said) as caught:
        checked(datasets.write(tmp_path / "set", records), tmp_path / "out")
    assert str(tmp_path / "set") in str(caught.value)


def test_a_missing_column_a_wrong_type_and_no_rows_stop_before_anything_is_read(tmp_path: Path):
    with pytest.raises(UserError, match="unknown column 'text'"):
        checked(
            datasets.write(tmp_path / "a", change=lambda t: t.drop_columns("text")), tmp_path / "o1"
        )
    as_text = lambda t: t.set_column(  # noqa: E731
        t.column_names.index("size"), "size", t["size"].cast(pa.string())
    )
    folder = datasets.write(tmp_path / "b", change=as_text)
    with pytest.raises(UserError, match="column 'size': got type string"):
        checked(folder, tmp_path / "o2")
    with pytest.raises(UserError, match="records are empty"):
        checked(datasets.write(tmp_path / "c", change=lambda t: t.slice(0, 0)), tmp_path / "o3")


def test_a_column_without_any_value_and_unknown_modality_options(tmp_path: Path):
    empty = lambda t: t.set_column(t.column_names.index("size"), "size", pa.nulls(t.num_rows))  # noqa: E731
    folder = datasets.write(tmp_path / "set", change=empty)
    assert checked(folder, tmp_path / "out")["quarantined"] == 0
    with pytest.raises(UserError, match="unknown modality 'imag': did you mean 'image'"):
        checked(folder, tmp_path / "out2", modalities={"imag": {}})


def _with_labels(folder: Path) -> Labels:
    ids = [r["id"] for r in datasets.rows() if r["split"] == "train"]
    pq.write_table(
        pa.table({"id": ids, "few": [i < 6 for i in range(len(ids))]}), folder / "labelled.parquet"
    )
    return Labels(file="labelled.parquet", column="few")


def test_hidden_labels_are_nowhere_in_the_output(tmp_path: Path):
    """Replacing every hidden label with garbage (also in quarantine) changes no byte."""
    digests = []
    for name in ("honest", "garbage"):
        records = datasets.rows()
        for i, r in enumerate(records):
            if name == "garbage" and r["split"] == "train" and i >= 6:
                r["label"] = f"garbage {i * 7919}" if i % 3 else None
        records[20]["size"] = float("inf")
        manifest = datasets.MANIFEST.replace("kind: single", "kind: single, classes: [cat, dog]")
        folder = datasets.write(tmp_path / name, records, manifest=manifest)
        labels = _with_labels(folder)
        summary = checked(folder, tmp_path / f"out-{name}", labels=labels)
        assert summary["label_budget"] == {"train": 6, "val": 8, "total": 14}
        docs = tmp_path / f"out-{name}" / "data_docs"
        assert not any(b"garbage" in p.read_bytes() for p in docs.rglob("*.html"))
        docs.rename(tmp_path / f"docs-{name}")
        digests.append(digest_folder(tmp_path / f"out-{name}"))
    assert digests[0] == digests[1]


def test_label_file_ids_that_match_nothing_are_told(tmp_path: Path):
    folder = datasets.write(tmp_path / "set")
    pq.write_table(
        pa.table({"id": ["r0", "r1", "r999"], "few": [True] * 3}), folder / "labelled.parquet"
    )
    summary = checked(
        folder, tmp_path / "out", labels=Labels(file="labelled.parquet", column="few")
    )
    assert summary["warnings"] == [
        "1 ids that the label file shows are not among the training records accepted here"
    ]


def test_without_group_and_split_columns_the_hash_decides_and_the_id_is_the_group(tmp_path: Path):
    manifest = datasets.MANIFEST.replace("group: group\n", "").replace(
        "split: {column: split}", "split: {salt: s, validation: 0.25, test: 0.25}"
    )
    change = lambda t: t.drop_columns(["group", "split"])  # noqa: E731
    checked(datasets.write(tmp_path / "set", manifest=manifest, change=change), tmp_path / "out")
    table = pq.read_table(tmp_path / "out" / "records.parquet")
    assert table["group"].to_pylist() == table["id"].to_pylist()


def test_batches_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Duplicates across batches, several frames: the same output as in one batch."""
    records = datasets.rows()
    records[40]["id"] = "r1"
    records[41]["split"] = "nowhere"
    folder = datasets.write(tmp_path / "set", records)
    checked(folder, tmp_path / "whole")
    monkeypatch.setattr("components.validation.examine.ROWS", 7)
    monkeypatch.setattr("components.validation.examine._FRAME_ROWS", 20)
    checked(folder, tmp_path / "parts")
    for name in ("records.parquet", "quarantine/records.parquet"):
        assert pq.read_table(tmp_path / "whole" / name).equals(
            pq.read_table(tmp_path / "parts" / name)
        )
    for name in ("summary.json", "dataset.json", "quarantine/reasons.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()


def test_the_command_writes_the_result_or_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = datasets.write(tmp_path / "set")
    assert main([str(folder), str(tmp_path / "out"), "--docs", str(tmp_path / "docs")]) == 0
    assert json.loads(capsys.readouterr().out)["accepted"] == 48
    first = digest_folder(tmp_path / "out")
    assert main([str(folder), str(tmp_path / "out"), "--docs", str(tmp_path / "docs")]) == 0
    assert digest_folder(tmp_path / "out") == first
    assert (tmp_path / "docs" / "site" / "index.html").exists()
    (folder / "records.parquet").unlink()
    assert main([str(folder), str(tmp_path / "out")]) == 1
    assert "no records in" in capsys.readouterr().err
    assert digest_folder(tmp_path / "out") == first


@pytest.mark.parametrize(
    ("name", "records", "labels"), [("dcss-monsters", 665, 102), ("fashion-products", 20329, 1198)]
)
def test_the_real_sets_pass_whole(tmp_path: Path, name: str, records: int, labels: int):
    folder = datasets.shared(name)
    if folder is None:
        pytest.skip(f"no folder shared/data/{name} beside the checkout")
    manifest = str(ROOT / "conf" / f"{name}.dataset.yaml")
    chosen = Labels(file="labelled.parquet", column="labelled_25_seed0")
    summary = checked(folder, tmp_path / "out", manifest=manifest, labels=chosen)
    assert (summary["records_in"], summary["quarantined"]) == (records, 0)
    assert summary["label_budget"]["train"] == labels
