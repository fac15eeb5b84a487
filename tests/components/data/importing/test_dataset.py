"""Tables and folders of classes become data sets."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from components.core.errors import UserError
from components.data.importing.dataset import import_dataset
from components.data.manifest import load_manifest
from components.data.reader import Dataset, raws
from tests.datasets import png


def _source(tmp_path: Path, form: str = "csv") -> Path:
    source = tmp_path / "source"
    (source / "pics").mkdir(parents=True)
    for i in range(12):
        (source / "pics" / f"{i}.png").write_bytes(png(i))
    table = pa.table(
        {
            "key": [f"k{i}" for i in range(12)],
            "Class": ["cat", "dog", None] * 4,
            "file": [f"pics/{i}.png" for i in range(11)] + [None],
            "title": [f"this is title number {i}" for i in range(12)],
            "price": [1.5 * i for i in range(12)],
            "colour": ["red", "blue"] * 6,
            "code": [f"X{i}" for i in range(12)],
            "empty": pa.nulls(12, pa.string()),
        }
    )
    if form == "parquet":
        pq.write_table(table, source / "t.parquet")
        return source / "t.parquet"
    pacsv.write_csv(table, source / "t.csv")
    return source / "t.csv"


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_table_with_media_paths_becomes_a_set(tmp_path: Path, form: str):
    import_dataset(_source(tmp_path, form), tmp_path / "set")
    manifest = load_manifest(str(tmp_path / "set"))
    assert manifest.id == "key"
    assert manifest.target.column == "Class"
    assert {n: m.kind for n, m in manifest.modalities.items()} == {
        "file": "image",
        "title": "text",
        "facts": "tabular",
    }
    assert {c: s.type for c, s in manifest.modalities["facts"].columns.items()} == {
        "price": "number",
        "colour": "category",
    }
    dataset = Dataset(str(tmp_path / "set"), manifest)
    values = raws(next(dataset.batches()), manifest, dataset.media())
    assert values["file"][:11] == [png(i) for i in range(11)]
    assert values["file"][11] is None
    assert values["facts"][2] == {"price": 3.0, "colour": "red"}
    said = (tmp_path / "set" / "dataset.yaml").read_text()
    assert "# not used: 'code': " in said
    assert "# not used: 'empty': all its cells are empty" in said


def test_a_folder_per_class_becomes_a_set(tmp_path: Path):
    for name in ("cats", "dogs", ".hidden"):
        (tmp_path / "src" / name).mkdir(parents=True)
        for i in range(3):
            (tmp_path / "src" / name / f"{i}.png").write_bytes(png(i))
    (tmp_path / "src" / "cats" / "notes.txt").write_text("no picture")
    import_dataset(tmp_path / "src", tmp_path / "set")
    manifest = load_manifest(str(tmp_path / "set"))
    table = pq.read_table(tmp_path / "set" / "records.parquet")
    assert table["label"].to_pylist() == ["cats"] * 3 + ["dogs"] * 3
    dataset = Dataset(str(tmp_path / "set"), manifest)
    assert raws(table, manifest, dataset.media())["image"] == [png(i) for i in range(3)] * 2


def test_an_existing_target_is_never_touched(tmp_path: Path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "mine").write_text("keep")
    with pytest.raises(UserError, match="never overwritten"):
        import_dataset(_source(tmp_path), tmp_path / "set")
    assert [p.name for p in (tmp_path / "set").iterdir()] == ["mine"]


def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    source = _source(tmp_path)

    def fail(*_: object) -> str:
        raise OSError("disk full")

    monkeypatch.setattr("components.data.importing.dataset.manifest_text", fail)
    with pytest.raises(OSError, match="disk full"):
        import_dataset(source, tmp_path / "set")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["source"]


def test_ids_are_made_where_none_will_do(tmp_path: Path):
    (tmp_path / "t.csv").write_text("id,label,text\n1,a,some words here\n1,b,other words here\n")
    import_dataset(tmp_path / "t.csv", tmp_path / "set")
    table = pq.read_table(tmp_path / "set" / "records.parquet")
    assert table["row"].to_pylist() == ["r0", "r1"]
    assert table["id"].to_pylist() == ["1", "1"]
    load_manifest(str(tmp_path / "set"))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.csv", "a,b\n1,2\n", "wanted one named label"),
        ("t.csv", "id,label\n", "no records"),
        ("t.xlsx", "x", "wanted a table .* or a folder with a folder per class"),
        ("t.parquet", "x", "not a readable parquet"),
        ("t.csv", "id,label,code\n1,a,\n2,b,\n", "none of which"),
    ],
)
def test_a_source_of_no_use_is_refused(tmp_path: Path, name: str, content: str, said: str):
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=said):
        import_dataset(tmp_path / name, tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_a_missing_source_and_an_empty_folder_are_refused(tmp_path: Path):
    with pytest.raises(UserError, match="no file or folder"):
        import_dataset(tmp_path / "nothing", tmp_path / "set")
    (tmp_path / "src" / "only").mkdir(parents=True)
    with pytest.raises(UserError, match="wanted a folder per class"):
        import_dataset(tmp_path / "src", tmp_path / "set")


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (["title", "blurb"], ["title", "blurb"]),
        (["a title"], ["text"]),
        (["größe"], ["text"]),
        (["1st", "2nd", "third"], ["text", "text2", "third"]),
        (["1st", "text"], ["text2", "text"]),
        (["facts", "fused"], ["text", "text2"]),
        (["no", "on", "y"], ["no", "on", "y"]),
    ],
)
def test_a_modality_is_named_after_its_column_where_it_can_be(tmp_path, columns, names):
    words = "one line of words about thing number"
    rows = {"id": [f"a{i}" for i in range(9)], "label": [f"c{i % 2}" for i in range(9)]}
    rows |= {column: [f"{words} {i}" for i in range(9)] for column in columns}
    pq.write_table(pa.table(rows), tmp_path / "t.parquet")
    import_dataset(tmp_path / "t.parquet", tmp_path / "set")
    found = load_manifest(str(tmp_path / "set")).modalities
    assert {name: m.column for name, m in found.items()} == dict(zip(names, columns, strict=True))


def _films(tmp_path: Path, form: str) -> Path:
    genres = [["war", "love"], [], ["war"], None]
    if form == "jsonl":
        lines = [json.dumps({"genres": g, "plot": f"a story that has number {i}"})
                 for i, g in enumerate(genres * 4)]  # fmt: skip
        (tmp_path / "films.jsonl").write_text("\n".join(lines))
    else:
        rows = [
            f"{'|'.join(g or [])},a story that has number {i}" for i, g in enumerate(genres * 4)
        ]
        (tmp_path / "films.csv").write_text("\n".join(["genres,plot", *rows]))
    return tmp_path / f"films.{form}"


@pytest.mark.parametrize(("form", "separator"), [("jsonl", None), ("csv", "|")])
def test_a_label_that_is_a_set_is_told_and_stored_as_a_list(tmp_path: Path, form, separator):
    report = import_dataset(
        _films(tmp_path, form), tmp_path / "set", named={"label": "genres"}, separator=separator
    )
    assert load_manifest(str(tmp_path / "set")).target.kind == "multi"
    cells = pq.read_table(tmp_path / "set" / "records.parquet")["genres"].to_pylist()
    assert cells[:4] == [["war", "love"], [] if form == "jsonl" else None, ["war"], None]
    assert any("kind multi" in note for note in report.notes)


def test_a_text_with_bars_stays_one_class_unless_a_separator_is_named(tmp_path: Path):
    import_dataset(_films(tmp_path, "csv"), tmp_path / "set", named={"label": "genres"})
    assert load_manifest(str(tmp_path / "set")).target.kind == "single"


def test_label_none_predicts_nothing(tmp_path: Path):
    import_dataset(_source(tmp_path), tmp_path / "set", named={"label": "none"})
    manifest = load_manifest(str(tmp_path / "set"))
    assert (manifest.target.kind, manifest.target.column) == ("none", None)
