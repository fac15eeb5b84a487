"""Splits by the usual words, columns that are no features, scripts without blanks, parts."""

import io
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from components.core.errors import UsageError, UserError
from components.data.manifest import load_manifest
from flows.cli import app
from tests.behaviour.imports import csv, imported

WORDS = [
    "train val test",
    "train valid test",
    "train validation test",
    "Train Val Test",
    "TRAIN DEV TEST",
    "training eval testing",
    "trn dev held-out",
    "train validation holdout",
]


@pytest.mark.parametrize("column", ["split", "Split", "subset", "partition"])
@pytest.mark.parametrize("words", WORDS)
def test_the_usual_words_are_splits(tmp_path: Path, column: str, words: str):
    given = words.split()
    source = csv(
        tmp_path / "t.csv",
        f"id,label,title,{column}",
        lambda i: f"a{i},{i % 2},a b {i},{given[i % 3]}",
    )
    found = imported(source)
    assert found.manifest.split.column == column
    assert found.columns[column] == ["train", "val", "test"] * 20
    assert all(
        f"'{w}' as" in "".join(found.report.notes) for w in given if w not in found.columns[column]
    )


def test_other_words_in_a_column_split_stop_the_import(tmp_path: Path):
    source = csv(
        tmp_path / "t.csv", "id,label,title,split", lambda i: f"a{i},{i % 2},a b {i},{i % 5}"
    )
    with pytest.raises(UserError, match=r"'0', '1'.*train/training.*--split hash"):
        imported(source)
    found = imported(source, named={"split": "hash"})
    assert found.manifest.split.column is None
    assert "split" in found.report.columns


def test_a_fold_is_no_feature_and_is_told(tmp_path: Path):
    source = csv(
        tmp_path / "t.csv", "id,label,title,fold", lambda i: f"a{i},{i % 2},a b {i},{i % 5}"
    )
    found = imported(source)
    assert found.manifest.split.column is None
    assert not found.fields
    assert "fold" in found.report.columns


def test_missing_splits_are_taken_from_training_records_only(tmp_path: Path):
    words = ["train", "train", "train", "test"]
    source = csv(
        tmp_path / "t.csv",
        "id,label,title,split",
        lambda i: f"a{i},{i % 2},a b {i},{words[i % 4]}",
        400,
    )
    found = imported(source)
    made = found.columns["split"]
    assert {"train", "val", "test"} == set(made)
    assert all((s == "test") == (i % 4 == 3) for i, s in enumerate(made))
    assert any("no records are given for val" in note for note in found.report.notes)


def test_parts_named_by_split_are_one_table(tmp_path: Path):
    folder = tmp_path / "data"
    (folder / "deep").mkdir(parents=True)
    for number, name in enumerate(
        ["train-00000-of-00002", "train-00001-of-00002", "test-0", "val"]
    ):
        table = pa.table(
            {"label": ["a", "b"], "title": [f"one thing {number}", f"two things {number}"]}
        )
        pq.write_table(table, folder / "deep" / f"{name}.parquet")
    (folder / "README.md").write_text("about")
    found = imported(folder)
    given = dict(zip(found.columns["title"], found.columns["split"], strict=True))
    assert given["one thing 0"] == given["two things 1"] == "train"
    assert given["one thing 2"] == "test"
    assert given["one thing 3"] == "val"
    (folder / "deep" / "more.parquet").write_bytes((folder / "deep" / "val.parquet").read_bytes())
    with pytest.raises(UserError, match=r"more\.parquet"):
        imported(folder)


def test_what_looks_like_a_running_number_is_used_where_nothing_else_can_be(tmp_path: Path):
    source = csv(
        tmp_path / "t.csv",
        "id,label,größe,weight,code",
        lambda i: f"a{i},k{i % 2},{i + 1},{90 - i},A{i}-7",
    )
    target = tmp_path / "set"
    result = CliRunner().invoke(app, ["data", "import", str(source), str(target)])
    assert result.exit_code == 0, result.output
    assert "used as numbers" in result.output
    manifest = load_manifest(str(target))
    assert {n: c.type for n, c in manifest.modalities["facts"].columns.items()} == {
        "größe": "number",
        "weight": "number",
    }
    written = (target / "dataset.yaml").read_text(encoding="utf-8")
    assert "used as numbers, because no other column can be used: 'größe', 'weight'" in written
    assert "not used: 'code'" in written
    assert "not used: 'größe'" not in written


@pytest.mark.parametrize(
    "cell",
    [
        lambda i: f"http://site{i}.example/{'login' if i % 2 else 'news'}.php?id={i}",
        lambda i: "CC(=O)" + "O" * (i % 7) + "c1ccccc1" + "N" * (i // 7),
        lambda i: f"A{i}-77",
    ],
    ids=["addresses", "molecules", "codes"],
)
def test_short_texts_are_used_where_nothing_else_can_be(tmp_path: Path, cell):
    source = csv(tmp_path / "t.csv", "id,label,seen,n", lambda i: f"a{i},k{i % 2},{cell(i)},{i}")
    alone = csv(tmp_path / "alone.csv", "id,label,seen", lambda i: f"a{i},k{i % 2},{cell(i)}")
    assert "seen" not in imported(source).modalities
    found = imported(alone)
    assert found.modalities == {"seen": "text"}
    assert any("used as text, because no other" in note for note in found.report.notes)


def test_an_index_is_not_used_even_where_nothing_else_can_be(tmp_path: Path):
    _csv(_rows()[["label"]], tmp_path / "t.csv")
    with pytest.raises(UserError, match="the index of a table"):
        imported(tmp_path / "t.csv")


def _rows(**columns: list) -> pd.DataFrame:
    plain = {"label": ["a", "b"] * 20, "title": [f"a small thing {i}" for i in range(40)]}
    return pd.DataFrame(plain | columns)


def _csv(frame: pd.DataFrame, path: Path) -> Path:
    frame.to_csv(path)
    return path


def _nameless_twice(path: Path) -> Path:
    frame = _rows()
    return _csv(pd.concat([frame[:20], frame[:20]]), path)


def test_the_index_of_a_table_is_no_feature(tmp_path: Path):
    kept = _rows()[lambda t: t.index != 3]
    kept.to_parquet(tmp_path / "index.parquet")
    _csv(kept, tmp_path / "index.csv")
    pd.read_csv(io.StringIO(kept.to_csv())).to_csv(tmp_path / "twice.csv", index=False)
    _nameless_twice(tmp_path / "repeated.csv")
    names = ["__index_level_0__", "column_1", "Unnamed: 0", "column_1"]
    for file, name in zip(
        ["index.parquet", "index.csv", "twice.csv", "repeated.csv"], names, strict=True
    ):
        found = imported(tmp_path / file)
        assert name in found.report.columns, file
        assert not found.fields, file


@pytest.mark.parametrize("ids", [[0, 0, *range(2, 40)], [None, *range(1, 40)]])
def test_an_id_that_cannot_be_one_stays_in_the_records_and_is_told(tmp_path: Path, ids: list):
    _rows(ID=ids).to_parquet(tmp_path / "t.parquet", index=False)
    found = imported(tmp_path / "t.parquet")
    assert found.manifest.id == "row"
    assert found.columns["row"] == [f"r{i:02}" for i in range(40)]
    assert found.columns["ID"] == ids
    assert not found.fields
    assert "0" in found.report.columns["ID"] or "empty" in found.report.columns["ID"]


def test_an_id_that_repeats_is_advised_as_the_group_and_can_be_it(tmp_path: Path):
    source = csv(
        tmp_path / "t.csv", "id,label,title", lambda i: f"p{i // 3},{i % 2},a small thing {i}"
    )
    assert "import again with --group id" in imported(source).report.columns["id"]
    found = imported(source, named={"group": "id"})
    assert found.manifest.group == "id"
    assert "id" not in found.report.columns


def test_roles_can_be_named(tmp_path: Path):
    source = csv(
        tmp_path / "t.csv",
        "sku,species,label,title,site,phase",
        lambda i: (
            f"s{i},{'xy'[i % 2]},{i % 3},a small {i},{i // 10},{['train', 'dev', 'test'][i % 3]}"
        ),
    )
    named = {"id": "sku", "label": "species", "group": "site", "split": "phase"}
    found = imported(source, named=named)
    manifest = found.manifest
    assert (manifest.id, manifest.target.column, manifest.group) == ("sku", "species", "site")
    assert manifest.split.column == "phase"
    assert "label" in found.report.columns
    with pytest.raises(UsageError, match="did you mean 'species'"):
        imported(source, named={"label": "spezies"})
    with pytest.raises(UserError, match="cannot be the id"):
        imported(source, named={"label": "species", "id": "site"})


TEXTS = {
    "Chinese": (lambda i: f"这是第{i}个红色的小汽车", "text"),
    "Japanese": (lambda i: f"赤いくるま{i}が走っている", "text"),
    "Thai": (lambda i: "รถสีแดงคันเล็ก" + "กขคงจ"[i % 5] * (i // 5 + 1), "text"),
    "Korean": (lambda i: f"작은 빨간 자동차 {i}", "text"),
    "Arabic": (lambda i: f"سيارة حمراء صغيرة {i}", "text"),
    "Hindi": (lambda i: f"छोटी लाल गाड़ी {i}", "text"),
    "long German words": (
        lambda i: "Donaudampf" + "schiff" * (i % 7 + 1) + "abcdefghi"[i // 7],
        "text",
    ),
    "Chinese categories": (lambda i: ["红色", "蓝色"][i % 2], "category"),
    "categories": (lambda i: ["Machine-op-inspct", "Never-married"][i % 2], "category"),
    "emoji": (lambda i: "😀😁"[i % 2], "category"),
    "codes": (lambda i: f"A{i}-77", None),
    "addresses": (lambda i: f"u{i}@example.org", None),
    "links": (lambda i: f"https://example.org/page/{i}", None),
    "telephone numbers": (lambda i: f"+49 30 {100000 + i}", None),
    "times": (lambda i: f"2024-01-05 10:{i:02}:00", None),
    "hashes": (lambda i: f"{i * 2654435761 % 2**32:08x}" * 4, None),
}


@pytest.mark.parametrize(("cell", "use"), TEXTS.values(), ids=TEXTS)
def test_text_counts_by_its_characters_in_any_script(tmp_path: Path, cell, use: str | None):
    source = csv(
        tmp_path / "t.csv", "id,label,size,extra", lambda i: f"a{i},{i % 2},{i % 7},{cell(i)}"
    )
    found = imported(source)
    assert ({**found.fields, **found.modalities}).get("extra") == use
    assert ("extra" in found.report.columns) == (use is None)
    assert found.columns["extra"] == [cell(i) for i in range(60)]


def test_the_command_prints_what_is_left_out_and_the_sum(tmp_path: Path):
    source = csv(
        tmp_path / "t.csv",
        "sku,species,title,code",
        lambda i: f"s{i},{'xy'[i % 2]},é b {i},A{i}-7",
        60,
        "cp1252",
    )
    options = ["--label", "species", "--id", "sku", "--encoding", "cp1252"]
    result = CliRunner().invoke(
        app, ["data", "import", str(source), str(tmp_path / "set"), *options]
    )
    assert result.exit_code == 0, result.output
    assert "60 read = 60 records + 0 left out" in result.output
    assert "- not used: 'code': 60 different short texts" in result.output
