"""Makes a data set of a table with media paths, or of a folder with one sub-folder per class."""

from pathlib import Path

import pyarrow.parquet as pq

from components.core.errors import UserError
from components.core.files import written_aside
from components.core.progress import Progress, silent
from components.data.importing.folders import read_folder
from components.data.importing.manifest_text import manifest_text
from components.data.importing.packing import pack
from components.data.importing.roles import numbered, roles_of
from components.data.importing.tables import read_table
from components.data.importing.uses import is_bytes, kinds_with, use_of
from components.data.manifest import RESERVED
from components.parts import loading as parts


def import_dataset(source: Path, target: Path, progress: Progress = silent) -> None:
    """Make a data set of a CSV, TSV or Parquet table, or of a folder with a sub-folder per class.

    Media that the table names by path (relative to it) are packed into ``media/*.parquet``. The
    meaning of the columns is guessed and written into ``dataset.yaml`` with comments, so that the
    user can correct it.

    Args:
        source: the table or the folder.
        target: the folder to make.
        progress: called as media are packed.

    Raises:
        UserError: the target exists, the source does not exist or has an unknown form, or a
            required column is missing.
    """
    if target.exists():
        raise UserError(
            f"{target} exists and is never overwritten; give another folder, or remove it first"
        )
    if not source.exists():
        raise UserError(f"no file or folder at {source}")
    table, base = read_folder(source) if source.is_dir() else (read_table(source), source.parent)
    if table.num_rows == 0:
        raise UserError(f"{source} has no records")
    roles = roles_of(table, source)
    uses = {
        c: use
        for c in table.column_names
        if c not in {*roles.values(), *RESERVED} and (use := use_of(table[c], base)) is not None
    }
    if not uses:
        raise UserError(
            f"{source}: got columns {table.column_names}, "
            "none of which reads as pictures, text, numbers or categories"
        )
    if "id" not in roles:
        table, roles["id"] = numbered(table), "id"
    with written_aside(target) as folder:
        for column, use in uses.items():
            if use.kind in kinds_with("bytes") and not is_bytes(table[column]):
                suffixes = parts.load("kinds", use.kind).SUFFIXES
                table = pack(table, column, suffixes, base, folder / "media", progress)
        pq.write_table(table, folder / "records.parquet", row_group_size=50_000)
        (folder / "dataset.yaml").write_text(
            manifest_text(roles, uses, table, source), encoding="utf-8"
        )
