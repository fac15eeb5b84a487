"""Reads a folder with one sub-folder per class as a table."""

from pathlib import Path

import pyarrow as pa

from components.core.errors import UserError
from components.data.importing.uses import kinds_with
from components.parts import loading as parts


def read_folder(source: Path) -> tuple[pa.Table, Path]:
    """One record for each media file in ``source/<class>/``.

    Its id is its path, and its column has the name of its kind.
    """
    kind_of = {s: name for name in kinds_with("bytes") for s in parts.load("kinds", name).SUFFIXES}
    classes = sorted(p for p in source.iterdir() if p.is_dir() and not p.name.startswith("."))
    files = [
        (c.name, p, kind_of[p.suffix.lower()])
        for c in classes
        for p in sorted(c.rglob("*"))
        if p.suffix.lower() in kind_of and p.is_file()
    ]
    if len({c for c, _, _ in files}) < 2:
        raise UserError(
            f"{source}: got {len(classes)} sub-folders with {len(files)} media files, "
            f"wanted a folder per class with files of {', '.join(sorted(kind_of))}"
        )
    paths = [p.relative_to(source).as_posix() for _, p, _ in files]
    columns = {
        kind: [
            path if its == kind else None for path, (_, _, its) in zip(paths, files, strict=True)
        ]
        for kind in dict.fromkeys(kind for _, _, kind in files)
    }
    return pa.table({"id": paths, "label": [c for c, _, _ in files], **columns}), source
