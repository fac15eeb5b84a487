"""The content digest of a data set; an unchanged set is not read again."""

import json
import os
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.core.files import write_atomically
from components.core.places import files_below, local, opened
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
        mark: changes whenever the file is written or replaced; empty where a store has none.
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
    filesystem, root = opened(uri)
    records = record_files(filesystem, root, uri)
    files = _files(uri, filesystem, root, labels)
    state = digest_json([manifest.digest(), labels, [astuple(file) for file in files]])
    memo = _read(cache / _MEMO)
    marked = all(file.mark for file in files)
    if marked and (known := memo["sets"].get(state)) is not None:
        return str(known)
    columns = [m.column for m in manifest.modalities.values() if m.column]
    digests = []
    for file in _readable(filesystem, files, records, columns, labels):
        key = f"{file.place}|{file.size}|{file.mark}"
        digest = memo["files"].get(key) if file.mark else None
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


def data_state(uri: str) -> str:
    """Changes whenever a file of the data set is written, replaced or removed; nothing is read.

    A store without marks gives only names and sizes. Descriptions beside the records do not count.

    Raises:
        UserError: the data set has no records.
    """
    filesystem, root = opened(uri)
    records = record_files(filesystem, root, uri)
    files = _files(uri, filesystem, root, None)
    kept = [f for f in files if f.place in records or not _is_doubtful(f.name)]
    return digest_json([astuple(file) for file in kept])


def _files(uri: str, filesystem: Any, root: str, labels: str | None) -> list[FileState]:  # noqa: ANN401
    """Every file below the data set, and the label file, which may be elsewhere."""
    folder = local(uri)
    listed = _remote(filesystem, root) if folder is None else _on_disk(Path(root))
    found = {file.name: file for file in listed}
    if labels is not None and labels not in found and filesystem.isfile(f"{root}/{labels}"):
        place = f"{root}/{labels}"
        if folder is None:
            found[labels] = _described(labels, place, filesystem.info(place))
        else:
            found[labels] = _stated(labels, place, Path(place).stat())
    return sorted(found.values())


def _on_disk(root: Path) -> Iterator[FileState]:
    """The files that have content: dead links and pipes are not part of the data."""
    for name, state in files_below(root):
        yield _stated(name, f"{root}/{name}", state)


def _stated(name: str, place: str, state: os.stat_result) -> FileState:
    # The modification time alone can be set back (`cp -p`, `rsync -t`); the change time cannot.
    mark = f"{state.st_ino} {state.st_mtime_ns} {state.st_ctime_ns}"
    return FileState(name=name, place=place, size=state.st_size, mark=mark)


def _remote(filesystem: Any, root: str) -> Iterator[FileState]:  # noqa: ANN401
    for place, info in filesystem.find(root, detail=True).items():
        yield _described(place[len(root) :].lstrip("/"), place, info)


def _described(name: str, place: str, info: dict[str, Any]) -> FileState:
    marks = ("ETag", "etag", "mtime", "LastModified", "created")
    mark = str(next((info[mark] for mark in marks if info.get(mark)), ""))
    return FileState(name=name, place=place, size=int(info["size"]), mark=mark)


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
                    if field.name in columns and _holds_texts(field.type)
                ]
                for batch in parquet.iter_batches(columns=texts):
                    for column in batch.columns:
                        values = column.unique().to_pylist()
                        found |= {posixpath.normpath(v) for v in values if isinstance(v, str) and v}
        except (pa.ArrowException, OSError):
            continue  # validation reports records that cannot be read
    return found


def _holds_texts(kind: pa.DataType) -> bool:
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return any(test(kind) for test in tests)


def _sha(filesystem: Any, place: str) -> str:  # noqa: ANN401
    """SHA-256 of a file; validation reports which record names a file that cannot be read."""
    try:
        with filesystem.open(place, "rb") as file:
            return digest_stream(file)
    except PermissionError:
        return "unreadable"


def _read(path: Path) -> dict[str, dict[str, str]]:
    """The memo; empty where the file is missing or cannot be read."""
    try:
        memo = json.loads(path.read_text())
        return {"sets": dict(memo["sets"]), "files": dict(memo["files"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {"sets": {}, "files": {}}
