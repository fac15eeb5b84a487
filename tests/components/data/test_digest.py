"""The digest follows content and nothing else, and an unchanged set answers from the memo."""

import os
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.data import digest as module
from components.data.digest import data_digest
from components.data.manifest import load_manifest
from tests import datasets


def _digest(folder: Path, cache: Path, **more) -> str:
    return data_digest(str(folder), load_manifest(str(folder)), cache=cache, **more)


def test_a_copy_has_the_same_digest_and_a_changed_byte_another(tmp_path: Path):
    first = datasets.write(tmp_path / "a")
    shutil.copytree(first, tmp_path / "b")
    same = _digest(first, tmp_path / "cache")
    assert _digest(tmp_path / "b", tmp_path / "cache2") == same
    (tmp_path / "b" / "README.md").write_text("a description is no data")
    assert _digest(tmp_path / "b", tmp_path / "cache2") == same
    (tmp_path / "b" / "media" / "extra.png").write_bytes(b"x")
    assert _digest(tmp_path / "b", tmp_path / "cache2") != same


def test_the_manifest_and_the_chosen_label_file_count(tmp_path: Path):
    folder = datasets.write(tmp_path / "a")
    (folder / "labelled.parquet").write_bytes(b"one")
    plain, with_labels = (
        _digest(folder, tmp_path / "c"),
        _digest(folder, tmp_path / "c", labels="labelled.parquet"),
    )
    (folder / "labelled.parquet").write_bytes(b"two, longer")
    assert _digest(folder, tmp_path / "c") == plain
    assert _digest(folder, tmp_path / "c", labels="labelled.parquet") != with_labels
    (folder / "dataset.yaml").write_text("# only a comment\n" + datasets.MANIFEST)
    assert _digest(folder, tmp_path / "c") == plain
    (folder / "dataset.yaml").write_text(datasets.MANIFEST.replace("cm", "m"))
    assert _digest(folder, tmp_path / "c") != plain


def _with_picture(folder: Path, place: str) -> Path:
    """A data set whose first record names a picture at this place."""
    folder = datasets.write(folder)
    (folder / place).parent.mkdir(parents=True, exist_ok=True)
    (folder / place).write_bytes(datasets.png(1))
    table = pq.read_table(folder / "records.parquet")
    paths = [place, *table["image"].to_pylist()[1:]]
    at = table.schema.get_field_index("image")
    pq.write_table(
        table.set_column(at, "image", pa.array(paths, pa.string())), folder / "records.parquet"
    )
    return folder


@pytest.mark.parametrize("place", [".thumbs/1.png", "media/.kept/1.png", "1.txt", "a/.b/1.png"])
def test_a_changed_picture_counts_whatever_its_name(tmp_path: Path, place: str):
    folder = _with_picture(tmp_path / "a", place)
    before = _digest(folder, tmp_path / "c")
    (folder / place).write_bytes(datasets.png(2))
    assert _digest(folder, tmp_path / "c") != before


def test_a_picture_in_a_linked_folder_counts(tmp_path: Path):
    folder = _with_picture(tmp_path / "a", "more/1.png")
    (folder / "more").rename(tmp_path / "elsewhere")
    (folder / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "loop").symlink_to(tmp_path / "elsewhere")
    before = _digest(folder, tmp_path / "c")
    (tmp_path / "elsewhere" / "1.png").write_bytes(datasets.png(2))
    assert _digest(folder, tmp_path / "c") != before


def test_hidden_files_that_no_record_names_do_not_count(tmp_path: Path):
    folder = datasets.write(tmp_path / "a")
    before = _digest(folder, tmp_path / "c")
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("ref")
    assert _digest(folder, tmp_path / "c") == before


def test_a_change_under_the_same_size_and_modification_time_is_noticed(tmp_path: Path):
    folder = datasets.write(tmp_path / "a")
    picture = folder / "media" / "extra.bin"
    picture.write_bytes(b"one")
    before, state = _digest(folder, tmp_path / "c"), picture.stat()
    picture.write_bytes(b"two")
    os.utime(picture, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert picture.stat().st_mtime_ns == state.st_mtime_ns
    assert _digest(folder, tmp_path / "c") != before


def test_a_file_replaced_by_another_of_the_same_size_and_time_is_noticed(tmp_path: Path):
    folder = datasets.write(tmp_path / "a")
    picture, other = folder / "media" / "extra.bin", tmp_path / "other.bin"
    picture.write_bytes(b"one")
    other.write_bytes(b"two")
    for path in (picture, other):
        os.utime(path, ns=(1, 1))
    before = _digest(folder, tmp_path / "c")
    other.replace(picture)
    assert _digest(folder, tmp_path / "c") != before


def test_an_unchanged_set_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = datasets.write(tmp_path / "a")
    first = _digest(folder, tmp_path / "c")
    read: list[str] = []
    sha = module._sha
    monkeypatch.setattr(
        module, "_sha", lambda filesystem, place: (read.append(place), sha(filesystem, place))[1]
    )
    assert _digest(folder, tmp_path / "c") == first
    assert read == []
    os.utime(folder / "records.parquet", ns=(1, 1))
    assert _digest(folder, tmp_path / "c") == first
    assert read


def test_a_broken_memo_costs_only_time(tmp_path: Path):
    folder = datasets.write(tmp_path / "a")
    first = _digest(folder, tmp_path / "c")
    (tmp_path / "c" / "data-digests.json").write_text("{broken")
    assert _digest(folder, tmp_path / "c") == first


def test_dead_links_pipes_and_unreadable_files_do_no_harm(tmp_path: Path):
    folder = datasets.write(tmp_path / "a")
    before = _digest(folder, tmp_path / "c")
    (folder / "media" / "old.png").symlink_to("/nowhere/x.png")
    os.mkfifo(folder / "media" / "pipe")
    assert _digest(folder, tmp_path / "c") == before


def test_a_store_without_marks_is_read_every_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = datasets.write(tmp_path / "a")
    monkeypatch.setattr(
        module,
        "_stated",
        lambda name, place, state: module.FileState(
            name=name, place=place, size=state.st_size, mark=""
        ),
    )
    (folder / "media" / "extra.bin").write_bytes(b"one")
    before = _digest(folder, tmp_path / "c")
    (folder / "media" / "extra.bin").write_bytes(b"two")
    assert _digest(folder, tmp_path / "c") != before


def test_hidden_pictures_count_whatever_other_columns_hold(tmp_path: Path):
    """A list beside the paths must not hide which files the records name."""
    folder = _with_picture(tmp_path / "a", ".thumbs/1.png")
    table = pq.read_table(folder / "records.parquet")
    at = table.schema.get_field_index("text")
    table = table.set_column(at, "text", pa.array([["a", "b"]] * table.num_rows))
    pq.write_table(table, folder / "records.parquet")
    before = _digest(folder, tmp_path / "c")
    (folder / ".thumbs" / "1.png").write_bytes(datasets.png(2))
    assert _digest(folder, tmp_path / "c") != before
