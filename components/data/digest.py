"""The content digest of a data set; an unchanged set is not read again."""

import json
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from components.core.files import write_atomically
from components.core.refs import digest_json, digest_stream
from components.data.manifest import Manifest
from components.data.reader import record_files

_CHUNK = 1 << 20
_MEMO = "data-digests.json"
_REMEMBERED = 64
"""Number of data set states in the memo, which also remembers each file of 1 MiB or more."""
_DESCRIPTIONS = (".md", ".txt", ".yaml", ".yml", ".json", ".html", ".parquet", ".csv")
"""Suffixes of files beside the records that usually describe them, or hold labels of other runs."""


@dataclass(frozen=True, kw_only=True, order=True)
class FileState:
    """A file as it is listed, without its content.

    Attributes:
        name: path within the data set.
        place: path on its file system.
        size: bytes.
        mark: changes whenever the file is written or replaced.
    """

    name: str
    place: str
    size: int
    mark: str


def data_digest(uri: str, manifest: Manifest, *, cache: Path, labels: str | None = None) -> str:
    """SHA-256 over the records, their media, the manifest's meaning and the label file.

    Names and contents count; times and locations do not. A copy of a data set has the same digest.

    Args:
        uri: the data set.
        manifest: its meaning.
        cache: folder of the memo, which only saves time.
        labels: the label file's path, relative to the data set.

    Raises:
        UserError: the data set has no records.
    """
    filesystem, root = fsspec.core.url_to_fs(uri)
    records = record_files(filesystem, root, uri)
    files = _files(filesystem, root, labels)
    state = digest_json([manifest.digest(), labels, [astuple(file) for file in files]])
    memo = _read(cache / _MEMO)
    if (known := memo["sets"].get(state)) is not None:
        return str(known)
    columns = [m.column for m in manifest.modalities.values() if m.column]
    digests = []
    for file in _readable(filesystem, files, records, columns, labels):
        key = f"{file.place}|{file.size}|{file.mark}"
        digest = memo["files"].get(key)
        if digest is None:
            digest = _sha(filesystem, file.place)
            if file.size >= _CHUNK:
                memo["files"][key] = digest
        digests.append([file.name, digest])
    result = digest_json([manifest.digest(), digests])
    memo["sets"][state] = result
    memo = {
        kind: dict(list(known.items())[-_REMEMBERED * (1 if kind == "sets" else 16) :])
        for kind, known in memo.items()
    }
    write_atomically(cache / _MEMO, json.dumps(memo))
    return result


def _files(filesystem: Any, root: str, labels: str | None) -> list[FileState]:  # noqa: ANN401
    """Every file below the data set, and the label file, which may be elsewhere."""
    found = dict(_listed(filesystem, root, "", frozenset()))
    if labels is not None and labels not in found and filesystem.isfile(f"{root}/{labels}"):
        found[labels] = (f"{root}/{labels}", filesystem.info(f"{root}/{labels}"))
    return sorted(
        FileState(name=name, place=place, size=int(info["size"]), mark=_mark(place, info))
        for name, (place, info) in found.items()
    )


def _listed(
    filesystem: Any,  # noqa: ANN401
    folder: str,
    prefix: str,
    above: frozenset[Path],
) -> Iterator[tuple[str, tuple[str, dict[str, Any]]]]:
    """Name, place and description of every file; fsspec does not follow links to folders itself."""
    for place, info in filesystem.find(folder, detail=True).items():
        name = prefix + place[len(folder) :].lstrip("/")
        target = Path(place).resolve() if info.get("islink") else None
        if target is None or not target.is_dir():
            yield name, (place, info)
        elif target not in above:  # a link to one of its own parent folders would never end
            yield from _listed(filesystem, str(target), f"{name}/", above | {target})


def _readable(
    filesystem: Any,  # noqa: ANN401
    files: Sequence[FileState],
    records: Sequence[str],
    columns: Sequence[str],
    labels: str | None,
) -> list[FileState]:
    """The files that a run can read.

    These are records, labels and media. Descriptions beside the records, and files whose path has
    a part that begins with a dot, count only where a record names them.
    """
    doubtful = {
        file.name
        for file in files
        if _is_doubtful(file.name) and file.place not in records and file.name != labels
    }
    if doubtful:
        doubtful -= _named(filesystem, records, columns)
    return [file for file in files if file.name not in doubtful]


def _is_doubtful(name: str) -> bool:
    if name.startswith("media/"):
        return False
    hidden = any(part.startswith(".") for part in name.split("/"))
    return hidden or ("/" not in name and name.lower().endswith(_DESCRIPTIONS))


def _named(
    filesystem: Any,  # noqa: ANN401
    records: Sequence[str],
    columns: Sequence[str],
) -> set[str]:
    """The texts in the modalities' columns, as normal relative paths."""
    found: set[str] = set()
    for place in records:
        try:
            with filesystem.open(place, "rb") as file:
                parquet = pq.ParquetFile(file)
                texts = [
                    field.name
                    for field in parquet.schema_arrow
                    if field.name in columns and not pa.types.is_binary(field.type)
                ]
                for batch in parquet.iter_batches(columns=texts):
                    for column in batch.columns:
                        values = column.unique().to_pylist()
                        found |= {posixpath.normpath(v) for v in values if isinstance(v, str) and v}
        except (pa.ArrowException, OSError):
            continue  # validation reports records that cannot be read
    return found


def _mark(place: str, info: dict[str, Any]) -> str:
    """A mark that changes with every write: inode and times of a local file, else the store's own.

    The modification time alone can be set back (``cp -p``, ``rsync -t``); the change time cannot.
    """
    path = Path(place)
    if "mtime" in info and path.is_file():
        stat = path.stat()
        return f"{stat.st_ino} {stat.st_mtime_ns} {stat.st_ctime_ns}"
    marks = ("ETag", "etag", "mtime", "LastModified", "created")
    return str(next((info[mark] for mark in marks if mark in info), ""))


def _sha(filesystem: Any, place: str) -> str:  # noqa: ANN401
    with filesystem.open(place, "rb") as file:
        return digest_stream(file)


def _read(path: Path) -> dict[str, dict[str, str]]:
    """The memo; empty where the file is missing or cannot be read."""
    try:
        memo = json.loads(path.read_text())
        return {"sets": dict(memo["sets"]), "files": dict(memo["files"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {"sets": {}, "files": {}}
