"""References between steps: a URI and the digest of the content there."""

import hashlib
import io
import json
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


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


def digest_stream(file: io.BufferedIOBase) -> str:
    """SHA-256 of the rest of an open file, read in chunks."""
    return hashlib.file_digest(file, "sha256").hexdigest()


def digest_file(path: Path) -> str:
    """SHA-256 of one file."""
    with path.open("rb") as file:
        return digest_stream(file)


def file_digests(folder: Path, exclude: Container[str] = ()) -> dict[str, str]:
    """SHA-256 of every file below a folder, by its path relative to it.

    Args:
        folder: where the files are.
        exclude: top-level names to leave out.
    """
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and path.relative_to(folder).parts[0] not in exclude
    )
    return {path.relative_to(folder).as_posix(): digest_file(path) for path in files}


def digest_listing(digests: Mapping[str, str]) -> str:
    """What ``digest_folder`` returns for a folder with these files, given as ``file_digests`` does.

    >>> digest_listing({"a": "1", "b/c": "2"}) == digest_listing({"b/c": "2", "a": "1"})
    True
    """
    return digest_json([[name, digests[name]] for name in sorted(digests, key=PurePosixPath)])


def digest_folder(folder: Path, exclude: Container[str] = ()) -> str:
    """SHA-256 over relative paths and contents of all files below a folder.

    Args:
        folder: where the files are.
        exclude: top-level names to leave out.
    """
    return digest_listing(file_digests(folder, exclude))
