"""Files and folders appear whole or not at all; a folder's digest comes from its listing."""

from pathlib import Path

import pytest

from components.core.files import file_aside, written_aside
from components.core.refs import digest_folder, digest_listing, file_digests


def test_a_file_appears_when_the_block_succeeds(tmp_path: Path) -> None:
    target = tmp_path / "new" / "file"
    with file_aside(target) as aside:
        aside.write_text("content")
        assert not target.exists()
    assert target.read_text() == "content"
    assert [path.name for path in target.parent.iterdir()] == ["file"]


def test_a_failure_keeps_the_old_file_and_leaves_no_other(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")

    def fail() -> None:
        with file_aside(target) as aside:
            aside.write_text("new")
            raise RuntimeError("half")

    with pytest.raises(RuntimeError, match="half"):
        fail()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "old")]


def test_a_failure_keeps_the_old_folder_and_leaves_no_other(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    (target / "a").write_text("old")

    def fail() -> None:
        with written_aside(target) as aside:
            (aside / "a").write_text("new")
            raise RuntimeError("half")

    with pytest.raises(RuntimeError, match="half"):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    assert (target / "a").read_text() == "old"


def test_a_listing_in_any_order_gives_the_digest_of_the_folder(tmp_path: Path) -> None:
    # "a.b" sorts before "a/b" as text and after it as a path.
    for name in ("a/b", "a.b", "c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    listing = file_digests(tmp_path)
    assert set(listing) == {"a/b", "a.b", "c"}
    for order in (sorted(listing), sorted(listing, reverse=True)):
        assert digest_listing({name: listing[name] for name in order}) == digest_folder(tmp_path)


def test_an_excluded_name_counts_at_the_top_only(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    for name in ("times", "kept/times"):
        (tmp_path / name).write_text("1")
    assert list(file_digests(tmp_path, exclude={"times"})) == ["kept/times"]
