"""The digest follows content and nothing else, and an unchanged set answers from the memo."""

import os
import shutil
from pathlib import Path

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
