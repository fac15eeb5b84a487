"""The content digest of a data set, remembered by size and time of its files so that an unchanged one answers at once."""

import json
from pathlib import Path
from typing import Any

import fsspec

from components.core.files import write_atomically
from components.core.refs import digest_json, digest_stream
from components.data.manifest import Manifest
from components.data.reader import record_files

_CHUNK = 1 << 20
_MEMO = "data-digests.json"
_REMEMBERED = 64
"""Data set states kept in the memo; files of a mebibyte and more are remembered each as well."""
_NOT_MEDIA = (".md", ".txt", ".yaml", ".yml", ".json", ".html", ".parquet", ".csv")
"""Files beside the records that are no media: descriptions, labels of other runs."""

Entry = tuple[str, str, int, str]
"""Name within the set, place, size, and what else marks its state (modification time or entity tag)."""


def data_digest(uri: str, manifest: Manifest, *, cache: Path, labels: str | None = None) -> str:
    """SHA-256 over the records, their media, the manifest's meaning and the label file.

    Names and contents count, times and places do not: a copied set has the same digest.

    Args:
        uri: the data set.
        manifest: its meaning.
        cache: folder for the memo; losing it costs only time.
        labels: the label file's path, relative to the set.

    Raises:
        UserError: no records there.
    """
    filesystem, root = fsspec.core.url_to_fs(uri)
    entries = _entries(filesystem, root, uri, labels)
    state = digest_json([manifest.digest(), entries])
    memo = _read(cache / _MEMO)
    if (known := memo["sets"].get(state)) is not None:
        return str(known)
    files = []
    for name, place, size, mark in entries:
        key = f"{place}|{size}|{mark}"
        digest = memo["files"].get(key)
        if digest is None:
            digest = _sha(filesystem, place)
            if size >= _CHUNK:
                memo["files"][key] = digest
        files.append([name, digest])
    result = digest_json([manifest.digest(), files])
    memo["sets"][state] = result
    memo = {
        kind: dict(list(known.items())[-_REMEMBERED * (1 if kind == "sets" else 16) :])
        for kind, known in memo.items()
    }
    write_atomically(cache / _MEMO, json.dumps(memo))
    return result


def _entries(filesystem: Any, root: str, uri: str, labels: str | None) -> list[Entry]:  # noqa: ANN401
    """Files that make up the set: records, everything in folders, and loose media; not descriptions or other labels."""
    records = set(record_files(filesystem, root, uri))
    entries = []
    for place, info in filesystem.find(root, detail=True).items():
        name = place[len(root) :].lstrip("/")
        if any(part.startswith(".") for part in name.split("/")):
            continue
        loose = "/" not in name and name.lower().endswith(_NOT_MEDIA)
        if place in records or name == labels or not loose:
            entries.append((name, place, int(info["size"]), _mark(place, info)))
    if (
        labels is not None
        and labels not in {e[0] for e in entries}
        and filesystem.isfile(where := f"{root}/{labels}")
    ):
        entries.append(
            (labels, where, int(filesystem.size(where)), _mark(where, filesystem.info(where)))
        )
    return sorted(entries)


def _mark(place: str, info: dict[str, Any]) -> str:
    """What changes when a file is written again: nanoseconds for a local file, else what the store tells."""
    path = Path(place)
    if "mtime" in info and path.is_file():
        return str(path.stat().st_mtime_ns)
    return str(
        next(
            (info[k] for k in ("ETag", "etag", "mtime", "LastModified", "created") if k in info), ""
        )
    )


def _sha(filesystem: Any, place: str) -> str:  # noqa: ANN401
    with filesystem.open(place, "rb") as file:
        return digest_stream(file)


def _read(path: Path) -> dict[str, dict[str, str]]:
    """The memo; an unreadable one is as good as none."""
    try:
        memo = json.loads(path.read_text())
        return {"sets": dict(memo["sets"]), "files": dict(memo["files"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {"sets": {}, "files": {}}
