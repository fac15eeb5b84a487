"""Listing and freeing a content store."""

import os
from pathlib import Path

from components.core.content import free, stored


def _entry(root: Path, name: str, text: str = "", *, record: bool = False) -> None:
    (root / name).mkdir(parents=True)
    (root / name / "file").write_text(text)
    if record:
        (root / f"{name}.json").write_text("{}")


def test_a_folder_and_its_record_are_one_entry(tmp_path: Path) -> None:
    _entry(tmp_path, "a", "12345", record=True)
    (tmp_path / "b.safetensors").write_text("123")
    assert [(e.key, e.size, e.record is not None) for e in stored(tmp_path)] == [
        ("a", 5, True),
        ("b.safetensors", 3, False),
    ]


def test_locks_are_no_entries_and_what_a_killed_process_left_is(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("")
    _entry(tmp_path, ".a.7.part")
    assert [entry.key for entry in stored(tmp_path)] == [".a.7.part"]


def test_a_record_without_content_is_an_entry_that_was_never_used(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    (entry,) = stored(tmp_path)
    assert (entry.key, entry.size, entry.used) == ("a", 0, 0.0)


def test_the_last_use_is_that_of_the_newest_file(tmp_path: Path) -> None:
    _entry(tmp_path, "a")
    (tmp_path / "a" / "newer").write_text("")
    for place, time in ((tmp_path / "a" / "file", 10), (tmp_path / "a" / "newer", 30)):
        os.utime(place, (time, time))
    os.utime(tmp_path / "a", (20, 20))
    assert stored(tmp_path)[0].used == 30


def test_freeing_removes_content_and_records_and_counts_bytes(tmp_path: Path) -> None:
    for name in ("teach/a", "train/a", "train/b"):
        _entry(tmp_path, name, "1234", record=True)
    assert free(e for e in stored(tmp_path, depth=2) if e.key == "a") == 8
    assert [e.key for e in stored(tmp_path, depth=2)] == ["b"]
    assert sorted(p.name for p in tmp_path.rglob("*.json")) == ["b.json"]
    assert free(stored(tmp_path / "missing")) == 0
