"""Files and folders written aside and renamed, so that a reader sees the old content or the new."""

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def beside(path: Path) -> Path:
    """A hidden name in the folder of ``path`` that no other writer uses."""
    return path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}.part")


@contextmanager
def written_aside(target: Path) -> Iterator[Path]:
    """Give an empty folder beside ``target`` and rename it to ``target`` when the block succeeds.

    An existing ``target`` is replaced. On any failure the folder is removed and ``target`` is
    untouched.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = beside(target)
    aside.mkdir()
    try:
        yield aside
        if target.exists():
            old = aside.with_suffix(".old")
            target.rename(old)
            aside.rename(target)
            shutil.rmtree(old, ignore_errors=True)
        else:
            aside.rename(target)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


@contextmanager
def file_aside(target: Path) -> Iterator[Path]:
    """Give a file's name beside ``target``; flush it and rename it when the block succeeds.

    The folder of ``target`` is made. On any failure the file is removed and ``target`` is
    untouched.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = beside(target)
    try:
        yield aside
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)


def link(source: str | Path, target: str | Path) -> None:
    """Link a file under another name, or copy it where the file system has no hard links."""
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write a file aside, flush it to disk and rename it into place."""
    with file_aside(path) as aside:
        aside.write_bytes(data.encode() if isinstance(data, str) else data)


def write_json(path: Path, value: object) -> None:
    """Write a JSON file atomically, indented, keys in the given order."""
    write_atomically(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path) -> dict[str, object]:
    """Read a JSON object from a file."""
    value = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(value, dict), path
    return value
