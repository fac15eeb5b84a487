"""Makes a data set of a table with media paths, or of a folder with one sub-folder per class."""

import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from components.core.errors import UserError
from components.core.files import written_aside
from components.core.progress import Progress, silent
from components.data.manifest import RESERVED
from components.data.packed import PackedMedia
from components.parts import loading as parts
from components.parts.guess import Column

_TABLES = (".csv", ".tsv", ".parquet")
_SAMPLE = 1000
"""Number of cells that a guess examines."""
_NAMES = {
    "id": ("id", "record_id", "key", "uid"),
    "label": ("label", "class", "target", "category", "y"),
    "group": ("group", "group_id"),
    "split": ("split",),
}


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
    table, base = _folder(source) if source.is_dir() else (_table(source), source.parent)
    if table.num_rows == 0:
        raise UserError(f"{source} has no records")
    roles = _roles(table, source)
    uses = {
        c: use
        for c in table.column_names
        if c not in {*roles.values(), *RESERVED} and (use := _use(table[c], base)) is not None
    }
    if not uses:
        raise UserError(
            f"{source}: got columns {table.column_names}, "
            "none of which reads as pictures, text, numbers or categories"
        )
    if "id" not in roles:
        table, roles["id"] = _numbered(table), "id"
    with written_aside(target) as folder:
        for column, use in uses.items():
            if use.kind in _kinds("bytes") and not _is_bytes(table[column]):
                suffixes = parts.load("kinds", use.kind).SUFFIXES
                table = _pack(table, column, suffixes, base, folder / "media", progress)
        pq.write_table(table, folder / "records.parquet", row_group_size=50_000)
        (folder / "dataset.yaml").write_text(
            _manifest(roles, uses, table, source), encoding="utf-8"
        )


def _table(source: Path) -> pa.Table:
    suffix = source.suffix.lower()
    if suffix not in _TABLES:
        raise UserError(
            f"{source}: got {suffix or 'no suffix'}, wanted a table ({', '.join(_TABLES)}) "
            "or a folder with a folder per class"
        )
    try:
        if suffix == ".parquet":
            return pq.read_table(source)
        separator = pacsv.ParseOptions(
            delimiter="\t" if suffix == ".tsv" else ",", newlines_in_values=True
        )
        empty = pacsv.ConvertOptions(strings_can_be_null=True, null_values=["", "NA", "NaN", "nan"])
        return pacsv.read_csv(source, parse_options=separator, convert_options=empty)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UserError(f"{source} is not a readable {suffix[1:]} table ({error})") from error


def _folder(source: Path) -> tuple[pa.Table, Path]:
    """One record for each media file in ``source/<class>/``.

    Its id is its path, and its column has the name of its kind.
    """
    kind_of = {s: name for name in _kinds("bytes") for s in parts.load("kinds", name).SUFFIXES}
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


def _roles(table: pa.Table, source: Path) -> dict[str, str]:
    """Find the columns of the roles by their usual names."""
    by_lower = {name.lower(): name for name in reversed(table.column_names)}
    roles = {
        role: by_lower[n]
        for role, names in _NAMES.items()
        if (n := next((n for n in names if n in by_lower), None))
    }
    if "label" not in roles:
        names = ", ".join(_NAMES["label"])
        raise UserError(
            f"{source}: got columns {table.column_names}, "
            f"wanted one named {names} with the class; rename it"
        )
    ids = table[roles["id"]] if "id" in roles else None
    if ids is not None and (ids.null_count or pc.count_distinct(ids).as_py() < table.num_rows):
        del roles["id"]
    if "split" in roles and not set(table[roles["split"]].drop_null().unique().to_pylist()) <= {
        "train",
        "val",
        "test",
    }:
        del roles["split"]
    return roles


def _numbered(table: pa.Table) -> pa.Table:
    """Number the rows as ids; an existing ``id`` column, which was unsuitable, is renamed."""
    names = [
        f"original_{n}" if n.lower() in _NAMES["id"] and n == "id" else n
        for n in table.column_names
    ]
    width = len(str(table.num_rows - 1))
    return table.rename_columns(names).add_column(
        0, "id", pa.array([f"r{i:0{width}}" for i in range(table.num_rows)])
    )


@dataclass(frozen=True)
class _Use:
    """How a column is used: as a modality of its own, or as a field of a kind with fields."""

    kind: str
    type: str
    """``modality``, or the type of the field."""


def _kinds(*raws: str) -> list[str]:
    """Names of the offered kinds with one of these raw types, in the order of the types."""
    offered = {name: parts.load("kinds", name).RAW for name in parts.available("kinds")}
    return [name for raw in raws for name, its in offered.items() if its == raw]


def _use(column: pa.ChunkedArray, base: Path) -> _Use | None:
    """How the first kind that recognises a column would use it.

    It is None if the column has no values or no kind recognises it. Kinds of media come first, then
    kinds with fields, because a few short texts that recur are more likely categories than text.
    """
    if column.null_count == len(column):
        return None
    seen = _seen(column, base)
    for name in _kinds("bytes", "fields", "text"):
        if (found := parts.load("kinds", name).guess(seen)) is not None:
            return _Use(name, found)
    return None


def _seen(column: pa.ChunkedArray, base: Path) -> Column:
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
        texts = tuple(str(v) for v in column.drop_null().slice(0, _SAMPLE).to_pylist())
        return Column(texts=texts, is_file=lambda v: (base / v).is_file())
    numeric = (pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    return Column(is_bytes=_is_bytes(column), is_number=any(test(kind) for test in numeric))


def _is_bytes(column: pa.ChunkedArray) -> bool:
    return bool(pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type))


def _pack(
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


def _manifest(roles: dict[str, str], uses: dict[str, _Use], table: pa.Table, source: Path) -> str:
    """The guessed manifest, with a comment wherever the user should check it."""
    label = table[roles["label"]]
    classes = pc.count_distinct(label).as_py()
    lines = [
        f"# Guessed from {source.name}: please read and correct it, then run "
        "`concord data check DIR` with this folder.",
        f"id: {_yaml(roles['id'])}",
        f"target: {{column: {_yaml(roles['label'])}, kind: single}}"
        f"    # {classes} classes, {label.null_count} unlabelled",
        f"group: {_yaml(roles['group'])}"
        if "group" in roles
        else "# group: COLUMN    # records that must not be in two splits",
    ]
    if "split" in roles:
        lines.append(f"split: {{column: {_yaml(roles['split'])}}}")
    else:
        lines.append(
            "split: {salt: concord, validation: 0.1, test: 0.2}"
            "    # by hash, for ever; do not change the salt later"
        )
    lines.append("modalities:")
    used: dict[str, int] = {}
    for column, use in uses.items():
        if use.type == "modality":
            used[use.kind] = used.get(use.kind, 0) + 1
            name = use.kind if used[use.kind] == 1 else f"{use.kind}{used[use.kind]}"
            lines.append(f"  {name}: {{kind: {use.kind}, column: {_yaml(column)}}}")
    fields = {c: use for c, use in uses.items() if use.type != "modality"}
    for kind in dict.fromkeys(use.kind for use in fields.values()):
        lines += [
            "  facts:    # remove columns that give the class away",
            f"    kind: {kind}",
            "    columns:",
        ]
        lines += [
            f"      {_yaml(c)}: {{type: {use.type}, null: missing}}"
            for c, use in fields.items()
            if use.kind == kind
        ]
        lines.append(
            "      # an empty cell that means a value: {type: number, null: {default: 0}}; "
            "a list: {type: set, separator: ','}"
        )
    unused = [c for c in table.column_names if c not in uses and c not in roles.values()]
    if unused:
        lines.append(f"# not used: {', '.join(unused)}")
    return "\n".join(lines) + "\n"


def _yaml(name: str) -> str:
    """A column's name as YAML text."""
    return (
        name
        if name.isidentifier()
        and name.lower() not in ("null", "true", "false", "yes", "no", "on", "off", "y", "n")
        else json.dumps(name)
    )
