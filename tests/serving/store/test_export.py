"""Feedback that is exported is a data set's source: `data import` takes it as it is."""

import io

import pyarrow.parquet as pq
import pytest
from PIL import Image

from components.data.importing.dataset import import_dataset
from components.data.manifest import load_manifest
from serving.store import payloads
from serving.store.export import export
from serving.store.said import Given


def given(by="shop", **more):
    known = {
        "id": "f", "time": 1_000_000.0, "token": by, "answer": None, "record": None,
        "labels": ["ring"], "multi": False, "unknown": [], "relevant": {}, "note": None,
        "model": "tiny", "version": 3, "package_digest": "d" * 64, "payload": None,
    }  # fmt: skip
    return Given(**known | more)


def picture(colour):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def twenty():
    """Answers with a picture, a title and a price."""
    return [
        given(
            answer=f"a{n:02}",
            labels=[["ring", "coin"][n % 2]],
            payload=payloads.written(
                {
                    "photo": picture((n * 12, 7, 9)),
                    "title": f"a thing of metal that is number {n} of many others",
                    "facts": {"price": 1.5 * n + n % 3, "metal": ["gold", "tin", "zinc"][n % 3]},
                }
            ),
        )
        for n in range(20)
    ]


def test_an_export_is_imported_with_its_values_and_without_what_is_about_the_label(
    twenty, tmp_path
):
    found = export(twenty, tmp_path / "feedback.parquet")
    assert (found.rows, found.with_values) == (20, 20)
    report = import_dataset(tmp_path / "feedback.parquet", tmp_path / "set")
    manifest = load_manifest(str(tmp_path / "set"))
    assert manifest.target.column == "label"
    assert {m.kind for m in manifest.modalities.values()} == {"image", "text", "tabular"}
    assert set(manifest.feature_columns) == {"photo", "title", "price", "metal"}
    about = {"label_source", "label_time", "label_token", "answered_by", "answered_by_version"}
    assert {c for c, why in report.columns.items() if "where the label is from" in why} == about
    rows = pq.read_table(tmp_path / "set" / "records.parquet").to_pylist()
    assert [(r["id"], r["label"]) for r in rows][:2] == [("a00", "ring"), ("a01", "coin")]
    assert rows[3]["photo"] == picture((36, 7, 9))
    assert {r["label_source"] for r in rows} == {"feedback"}
    assert (rows[0]["answered_by_version"], rows[0]["label_time"].year) == (3, 1970)


def test_records_without_values_are_there_by_id(twenty, tmp_path):
    found = export([*twenty, given(record="r7", labels=["a new class"])], tmp_path / "f.parquet")
    assert (found.rows, found.with_values) == (21, 20)
    last = pq.read_table(tmp_path / "f.parquet").to_pylist()[-1]
    assert (last["id"], last["label"], last["photo"]) == ("r7", "a new class", None)


def test_values_of_a_record_come_from_where_they_are_known(tmp_path):
    known = {"r7": {"title": "ring"}}
    found = export([given(record="r7"), given(record="r8")], tmp_path / "f.parquet", known.get)
    assert found.with_values == 1
    assert pq.read_table(tmp_path / "f.parquet")["title"].to_pylist() == ["ring", None]


def test_the_last_word_counts_and_disputes_are_told(tmp_path):
    words = [
        given(record="r7", labels=["ring"], by="a"),
        given(record="r8", labels=["ring"], by="a"),
        given(record="r7", labels=["coin"], by="b"),
        given(record="r8", labels=["ring"], by="b"),
        given(answer="a1", labels=None, relevant={"r7": True}),
    ]
    found = export(words, tmp_path / "f.parquet")
    assert (found.rows, found.disputed, found.unlabelled) == (2, 1, 1)
    table = pq.read_table(tmp_path / "f.parquet")
    assert table["label"].to_pylist() == ["coin", "ring"]


def test_sets_of_classes_are_lists(tmp_path):
    words = [
        given(record="r7", labels=["coin", "ring"], multi=True),
        given(record="r8", labels=[], multi=True),
    ]
    export(words, tmp_path / "f.parquet")
    found = pq.read_table(tmp_path / "f.parquet")["label"].to_pylist()
    assert found == [["coin", "ring"], []]


def test_names_that_are_taken_get_that_of_their_modality(tmp_path):
    payload = payloads.written({"facts": {"id": 1, "size": 2}, "more": {"size": "x"}})
    export([given(answer="a", payload=payload)], tmp_path / "f.parquet")
    (row,) = pq.read_table(tmp_path / "f.parquet").to_pylist()
    assert (row["facts.id"], row["facts.size"], row["more.size"]) == (1, 2, "x")


def test_cells_of_several_types_are_text(tmp_path):
    words = [
        given(answer=str(n), payload=payloads.written({"facts": {"size": cell}}))
        for n, cell in enumerate([1, "x", None])
    ]
    export(words, tmp_path / "f.parquet")
    assert pq.read_table(tmp_path / "f.parquet")["size"].to_pylist() == ["1", "x", None]
