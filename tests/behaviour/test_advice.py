"""What a message says is true, and what it advises can be done."""

import shlex
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from components.core.errors import UsageError, UserError
from components.data.importing.numbers import amounts
from components.registry.promotion import Promotion
from flows.cli import app
from flows.commands.batch import Batch, classify_all
from flows.commands.data import check
from flows.commands.record import check_files, check_forms, read
from flows.commands.run import _onwards, _outcome
from tests.behaviour.imports import csv, imported
from tests.datasets import png


def test_the_line_with_which_excel_declares_its_delimiter_is_no_header(tmp_path):
    for delimiter in (";", ",", "\t", "|"):
        path = tmp_path / f"{ord(delimiter)}.csv"
        rows = ["id", "label", "size"], *([f"a{i}", "xy"[i % 2], f"{i % 3}"] for i in range(30))
        text = f"sep={delimiter}\r\n" + "".join(delimiter.join(row) + "\r\n" for row in rows)
        path.write_text(text, encoding="utf-8-sig")
        made = imported(path)
        assert made.report.records == 30
        assert list(made.columns) == ["id", "label", "size"]
        path.write_text(text + f"x{delimiter}y\r\n")
        with pytest.raises(UserError, match="line 33 has 2 cells"):
            imported(path)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        *[(text, True) for text in ("1.234,50", "1,234.50", "$ 5", "12 %", "-3,5", "(1'000)")],
        *[(text, True) for text in ("12\u00a0345,6", "7\u20ac")],
        *[(text, False) for text in ("01.02.2024", "2024-01-01", "007", "1.2.3", "10:30", "A-1")],
    ],
)
def test_amounts_that_are_not_read_are_told_from_codes_and_dates(text, amount):
    assert amounts([text, "900"]) == ([text] if amount else [])


def test_amounts_as_people_write_them_are_said_to_be_numbers(tmp_path):
    path = csv(
        tmp_path / "a.csv",
        "id;label;price;code;size",
        lambda i: f"{i};{'xy'[i % 2]};1.{i:03},50;A-{i:03};{i % 4}",
    )
    why = imported(path).report.columns
    assert "write plain ones such as 1234.5" in why["price"]
    assert "codes, dates or names" in why["code"]


def test_a_column_of_times_is_said_to_be_one(tmp_path):
    path = csv(
        tmp_path / "a.csv",
        "id,label,size,added,code",
        lambda i: f"{i},{'xy'[i % 2]},{i % 4},2026-01-{i % 28 + 1:02} 10:{i:02}:00,A-{i:03}",
    )
    why = imported(path).report.columns
    assert "with `time: added` in the manifest" in why["added"]
    assert "codes, dates or names" in why["code"]


def test_a_column_that_could_be_the_id_is_named(tmp_path):
    path = csv(tmp_path / "a.csv", "sku,label,title", lambda i: f"S-{i},{'xy'[i % 2]},a thing {i}")
    assert any("--id COLUMN, for example 'sku'" in n for n in imported(path).report.notes)
    assert imported(path, named={"id": "sku"}).manifest.id == "sku"
    path = csv(tmp_path / "b.csv", "label,title", lambda i: f"{'xy'[i % 2]},a thing {i}")
    assert any(n.endswith("--id COLUMN") for n in imported(path).report.notes)


@pytest.mark.parametrize(
    ("cell", "said", "comment"),
    [("cat", "the single class 'cat'", "# 1 class, 0"), ("", "no class", "# 0 classes, 60")],
)
def test_too_few_classes_are_said_at_once(cell, said, comment, tmp_path):
    made = imported(csv(tmp_path / "a.csv", "id,label,title", lambda i: f"{i},{cell},a thing {i}"))
    assert any(f"has {said}; a model needs two or more" in n for n in made.report.notes)
    assert comment in made.text


def test_a_folder_that_has_a_table_beside_its_pictures_names_the_table(tmp_path):
    (tmp_path / "1.png").write_bytes(png())
    csv(tmp_path / "data.csv", "id,label,photo", lambda i: f"{i},{'xy'[i % 2]},1.png")
    with pytest.raises(UserError, match=r"'data\.csv' may be a table of these files"):
        imported(tmp_path)


def test_an_inner_folder_is_only_suggested_if_it_has_folders(tmp_path):
    inner = tmp_path / "all" / "one"
    (inner / "cat").mkdir(parents=True)
    (inner / "cat" / "1.png").write_bytes(png())
    with pytest.raises(UserError, match=f"did you mean {inner}"):
        imported(inner.parent)
    with pytest.raises(UserError, match="two or more") as told:
        imported(inner)
    assert "did you mean" not in str(told.value)


def test_a_folder_whose_name_says_no_label_is_told_how_to_have_none(tmp_path):
    for name in ("cat", "dog", "null"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(png())
    assert any("name their folder 'unlabelled'" in n for n in imported(tmp_path).report.notes)
    (tmp_path / "null").rename(tmp_path / "unlabelled")
    assert imported(tmp_path).columns["label"].count(None) == 1


@pytest.fixture
def checked(tmp_path, monkeypatch):
    """What the check of a set says where a record is too long and sizes stand in training alone."""
    monkeypatch.setenv("CONCORD_HOME", str(tmp_path / "home"))
    folder = tmp_path / "set"
    folder.mkdir()
    titles = ["x" * 30_000 if i == 7 else f"a thing {i}" for i in range(60)]
    table = {"id": [f"{i}" for i in range(60)], "label": ["x", "y"] * 30, "title": titles}
    split = [("train", "train", "val", "test")[i // 15] for i in range(60)]
    sizes = [float(i) if s == "train" else None for i, s in enumerate(split)]
    pq.write_table(pa.table(table | {"split": split, "size": sizes}), folder / "records.parquet")
    (folder / "dataset.yaml").write_text(
        "id: id\ntarget: {column: label, kind: single}\nsplit: {column: split}\n"
        "modalities:\n  title: {kind: text, column: title}\n"
        "  facts: {kind: tabular, columns: {size: {type: number}}}\n"
    )
    return check(str(folder), None)


def test_the_check_shows_why_records_are_put_aside(checked):
    assert "record 7: title: got 30,000 characters, wanted at most" in checked.text
    assert Path(checked.then.removeprefix("look at ")).is_file()


def test_the_check_shows_the_warnings_that_a_report_has(checked):
    found = checked.value["warnings"]
    assert any("no record of split val or test has modality facts" in told for told in found)
    assert all(f"- {told}\n" in checked.text for told in found[1:])


def test_what_follows_a_run_can_be_typed_beside_other_models(tmp_path, monkeypatch):
    (tmp_path / "a.yaml").write_text("name: things\ndata: {uri: x}\n")
    monkeypatch.setattr(Promotion, "champion", lambda _: object())
    then = _onwards(tmp_path / "a.yaml", SimpleNamespace(model_version=1))
    assert shlex.split(then) == ["concord", "serve", "--model", "things"]


@pytest.mark.parametrize("verdict", ["keep", "inconclusive"])
def test_a_verdict_against_a_version_says_that_it_is_not_promoted(verdict):
    result = SimpleNamespace(verdict=verdict, model_version=2, reasons=["not better"])
    assert _outcome(result) == f"{verdict}: model version 2 is not promoted (not better)"


def test_a_file_for_a_modality_of_text_is_not_sent():
    modalities = [
        {"name": "title", "raw": "text", "accepts": "text"},
        {"name": "facts", "raw": "fields", "accepts": "an object"},
        {"name": "photo", "raw": "bytes", "accepts": "a picture"},
        {"name": "old"},
    ]
    check_files({"photo": b"1", "old": b"1", "title": "words", "nobody": b"1"}, modalities)
    with pytest.raises(UsageError, match=r"--media title: got a file, wanted text; .*--text"):
        check_files({"title": b"1"}, modalities)
    with pytest.raises(UsageError, match=r"--media facts: .*--fields"):
        check_files({"facts": b"1"}, modalities)


def test_text_for_a_modality_of_media_and_misspelt_names_are_explained():
    modalities = [{"name": "title", "raw": "text"}, {"name": "photo", "raw": "bytes"}]
    check_forms({"title": "words", "photo": b"1"}, modalities)
    with pytest.raises(UsageError, match=r"--text photo: got text, .* --media photo=FILE"):
        check_forms({"photo": "photos/1.jpg"}, modalities)
    with pytest.raises(UsageError, match="did you mean 'title'"):
        check_forms({"titel": "words"}, modalities)


def test_an_empty_file_is_not_sent(tmp_path):
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(UsageError, match=r"--media photo: .*empty.jpg is empty"):
        read([f"photo={tmp_path / 'empty.jpg'}"], ["title=words"], [])


@pytest.mark.parametrize(
    ("source", "out", "said"),
    [
        ("table.csv", "answers.csv", r"wanted a Parquet file, such as answers\.parquet"),
        ("gone.csv", "answers.parquet", r"no file and no data set at .*gone\.csv"),
    ],
)
def test_what_a_batch_cannot_read_or_write_is_said_before_it_loads_a_model(
    tmp_path, monkeypatch, source, out, said
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.csv").write_text("title\nx\n")
    with pytest.raises(UsageError, match=said):
        classify_all(Batch(source=source, out=Path(out)))


@pytest.mark.parametrize("command", ["classify", "search"])
def test_help_names_the_address_that_is_asked(command):
    said = " ".join(CliRunner().invoke(app, [command, "--help"]).stdout.split())
    assert "default: http://127.0.0.1:3000" in said
