"""References between steps: a URI and the digest of what lies there, and writing aside then renaming."""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Ref:
    """Names a folder by URI and its content by SHA-256.

    ``uri`` is an absolute local path or an fsspec URL; ``digest`` is 64 hexadecimal characters.
    """

    uri: str
    digest: str

    @property
    def path(self) -> Path:
        """The local folder behind the URI."""
        return Path(self.uri.removeprefix("file://"))


def digest_bytes(*parts: bytes) -> str:
    """SHA-256 of length-prefixed parts, so that ``(b"ab", b"c")`` and ``(b"a", b"bc")`` differ."""
    sha = hashlib.sha256()
    for part in parts:
        sha.update(len(part).to_bytes(8, "little"))
        sha.update(part)
    return sha.hexdigest()


def digest_json(value: object) -> str:
    """SHA-256 of a JSON value, independent of key order.

    >>> digest_json({"a": 1, "b": 2}) == digest_json({"b": 2, "a": 1})
    True
    """
    return digest_bytes(
        json.dumps(value, sort_keys=True, separators=(",", ":"), default=str).encode()
    )


def digest_file(path: Path) -> str:
    """SHA-256 of one file, read in chunks."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            sha.update(chunk)
    return sha.hexdigest()


def digest_folder(folder: Path, exclude: tuple[str, ...] = ()) -> str:
    """SHA-256 over the sorted relative paths and contents of all files below a folder, less some top-level names."""
    files = sorted(
        p
        for p in folder.rglob("*")
        if p.is_file() and p.relative_to(folder).parts[0] not in exclude
    )
    return digest_json([[p.relative_to(folder).as_posix(), digest_file(p)] for p in files])


@contextmanager
def written_aside(target: Path) -> Iterator[Path]:
    """Give an empty folder beside ``target`` and rename it to ``target`` when the block succeeds.

    An existing ``target`` is replaced. On any failure the folder is removed and ``target`` is untouched.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.parent / f".{target.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}.part"
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


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write a file aside, flush it to disk and rename it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}.part")
    try:
        with aside.open("wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def write_json(path: Path, value: object) -> None:
    """Write a JSON file atomically, indented, keys in the given order."""
    write_atomically(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path) -> dict[str, object]:
    """Read a JSON object from a file."""
    value = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(value, dict), path
    return value
