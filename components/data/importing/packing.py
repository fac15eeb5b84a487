"""Packs the files that a column names into the data set."""

from pathlib import Path, PurePosixPath

import pyarrow as pa

from components.core.progress import Progress
from components.data.packed import PackedMedia


def pack(
    table: pa.Table,
    column: str,
    suffixes: tuple[str, ...],
    base: Path,
    folder: Path,
    progress: Progress,
) -> pa.Table:
    """Pack the files that a column names; returns the table with their paths inside the set.

    The path of a missing file stays as it is: validation quarantines the record with the reason.
    """
    given = table[column].to_pylist()
    known: dict[str, str] = {}
    taken: set[str] = set()
    for path in given:
        if path is not None and path not in known:
            known[path] = _inside(path, column, taken)
            taken.add(known[path])
    files = [
        (n, base / p)
        for p, n in known.items()
        if p.lower().endswith(suffixes) and (base / p).is_file()
    ]
    with PackedMedia(folder, column) as packed:
        for done, (name, file) in enumerate(files, 1):
            packed.add(name, file.read_bytes())
            if done % 100 == 0 or done == len(files):
                progress(f"packing {column}", done, len(files))
    place = table.column_names.index(column)
    return table.set_column(
        place, column, pa.array([None if p is None else known[p] for p in given], pa.string())
    )


def _inside(path: str, column: str, taken: set[str]) -> str:
    """A unique name inside the set for a path that may lead outside."""
    parts = [
        p
        for p in PurePosixPath(path.replace("\\", "/")).parts
        if p not in ("/", "..", ".") and ":" not in p
    ]
    name = "/".join(parts) or column
    while name in taken:
        name = f"_/{name}"
    return name
