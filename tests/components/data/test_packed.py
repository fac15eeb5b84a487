"""Packed media: the reader finds what was written, in bounded row groups and files."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from components.data import packed
from components.data.media import Media
from components.data.packed import PackedMedia


def _write(folder: Path, files: dict[str, bytes]) -> None:
    with PackedMedia(folder / "media", "images") as media:
        for path, content in files.items():
            media.add(path, content)


def _groups(folder: Path) -> list[list[int]]:
    """The number of rows of each row group of each file."""
    files = [pq.ParquetFile(path) for path in sorted(folder.glob("media/*.parquet"))]
    return [[f.metadata.row_group(g).num_rows for g in range(f.num_row_groups)] for f in files]


def test_the_reader_finds_every_file(tmp_path: Path) -> None:
    files = {f"a/{i}.png": bytes([i]) * i for i in range(50)}
    _write(tmp_path, files)
    assert Media(str(tmp_path)).fetch(list(files)) == list(files.values())


def test_row_groups_end_by_bytes_and_by_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "GROUP_BYTES", 100)
    monkeypatch.setattr(packed, "GROUP_ROWS", 4)
    sizes = [60, 60, 1, 1, 1, 1, 1]
    _write(tmp_path, {str(i): b"x" * size for i, size in enumerate(sizes)})
    assert _groups(tmp_path) == [[2, 4, 1]]


def test_files_end_by_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "GROUP_BYTES", 10)
    monkeypatch.setattr(packed, "FILE_BYTES", 20)
    _write(tmp_path, {str(i): b"x" * 10 for i in range(5)})
    assert _groups(tmp_path) == [[1, 1], [1, 1], [1]]
    assert Media(str(tmp_path)).fetch(["0", "4"]) == [b"x" * 10] * 2


def test_no_media_leave_no_folder(tmp_path: Path) -> None:
    _write(tmp_path, {})
    assert not list(tmp_path.iterdir())
