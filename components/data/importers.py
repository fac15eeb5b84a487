"""Other people's files made into a data set: a table with media paths, or a folder with one sub-folder per class."""

import json
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

_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")
_TABLES = (".csv", ".tsv", ".parquet")
_SAMPLE = 1000
"""Cells that a guess looks at."""
_MOST_CATEGORIES = 50
_WORDS_OF_TEXT = 3
_NAMES = {
    "id": ("id", "record_id", "key", "uid"),
    "label": ("label", "class", "target", "category", "y"),
    "group": ("group", "group_id"),
    "split": ("split",),
}


def import_dataset(source: Path, target: Path, progress: Progress = silent) -> None:
    """Make a data set of a CSV, TSV or Parquet table, or of a folder with one sub-folder of pictures per class.

    Media that the table names by path (relative to it) are packed into ``media/*.parquet``. The meaning of the columns is
    guessed and written into ``dataset.yaml`` with comments, for a person to mend.

    Args:
        source: the table or the folder.
        target: the folder to make.
        progress: told of packed media.

    Raises:
        UserError: the target exists, the source does not or is of no known form, or a column is missing that every set needs.
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
    kinds = {
        c: kind
        for c in table.column_names
        if c not in {*roles.values(), *RESERVED} and (kind := _kind(table[c], base)) is not None
    }
    if not kinds:
        raise UserError(
            f"{source}: got columns {table.column_names}, none of which reads as pictures, text, numbers or categories"
        )
    if "id" not in roles:
        table, roles["id"] = _numbered(table), "id"
    with written_aside(target) as folder:
        for column in (
            c for c, kind in kinds.items() if kind == "image" and not _is_bytes(table[c])
        ):
            table = _pack(table, column, base, folder / "media", progress)
        pq.write_table(table, folder / "records.parquet", row_group_size=50_000)
        (folder / "dataset.yaml").write_text(
            _manifest(roles, kinds, table, source), encoding="utf-8"
        )


def _table(source: Path) -> pa.Table:
    suffix = source.suffix.lower()
    if suffix not in _TABLES:
        raise UserError(
            f"{source}: got {suffix or 'no suffix'}, wanted a table ({', '.join(_TABLES)}) or a folder with a folder per class"
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
    """One record for each picture in ``source/<class>/``; its path is its id."""
    classes = sorted(p for p in source.iterdir() if p.is_dir() and not p.name.startswith("."))
    files = [
        (c.name, p)
        for c in classes
        for p in sorted(c.rglob("*"))
        if p.suffix.lower() in _PICTURES and p.is_file()
    ]
    if len({c for c, _ in files}) < 2:
        raise UserError(
            f"{source}: got {len(classes)} sub-folders with {len(files)} pictures, wanted a folder of pictures per class"
        )
    paths = [p.relative_to(source).as_posix() for _, p in files]
    return pa.table({"id": paths, "label": [c for c, _ in files], "image": paths}), source


def _roles(table: pa.Table, source: Path) -> dict[str, str]:
    """Columns by role, found by their usual names."""
    by_lower = {name.lower(): name for name in reversed(table.column_names)}
    roles = {
        role: by_lower[n]
        for role, names in _NAMES.items()
        if (n := next((n for n in names if n in by_lower), None))
    }
    if "label" not in roles:
        names = ", ".join(_NAMES["label"])
        raise UserError(
            f"{source}: got columns {table.column_names}, wanted one named {names} with the class; rename it"
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
    """The table with ids by row number; a column of that name that cannot serve as one is renamed."""
    names = [
        f"original_{n}" if n.lower() in _NAMES["id"] and n == "id" else n
        for n in table.column_names
    ]
    width = len(str(table.num_rows - 1))
    return table.rename_columns(names).add_column(
        0, "id", pa.array([f"r{i:0{width}}" for i in range(table.num_rows)])
    )


def _kind(column: pa.ChunkedArray, base: Path) -> str | None:
    """``image``, ``text``, ``number`` or ``category``; None for a column that says nothing or is of no known form."""
    kind = column.type
    if column.null_count == len(column):
        return None
    if _is_bytes(column):
        return "image"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
        return _kind_of_text(
            [str(v) for v in column.drop_null().slice(0, _SAMPLE).to_pylist()], base
        )
    numeric = (pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    return "number" if any(test(kind) for test in numeric) else None


def _kind_of_text(sample: list[str], base: Path) -> str | None:
    """What a column of text holds; one distinct word each is a name or a code, and nothing to learn from."""
    if sum(v.lower().endswith(_PICTURES) for v in sample) > len(sample) / 2 and any(
        (base / v).is_file() for v in sample
    ):
        return "image"
    words = sum(len(v.split()) for v in sample) / len(sample)
    if words < _WORDS_OF_TEXT and len(set(sample)) <= min(
        _MOST_CATEGORIES, max(2, len(sample) // 2)
    ):
        return "category"
    return "text" if words >= 2 else None


def _is_bytes(column: pa.ChunkedArray) -> bool:
    return bool(pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type))


def _pack(table: pa.Table, column: str, base: Path, folder: Path, progress: Progress) -> pa.Table:
    """Pack the files a column names; returns the table with their paths inside the set.

    A path that leads to no file stays as it is: checking the set puts such a record into quarantine and says why.
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
        if p.lower().endswith(_PICTURES) and (base / p).is_file()
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
    """A name inside the set for a path that may lead anywhere; two paths never share one."""
    parts = [
        p
        for p in PurePosixPath(path.replace("\\", "/")).parts
        if p not in ("/", "..", ".") and ":" not in p
    ]
    name = "/".join(parts) or column
    while name in taken:
        name = f"_/{name}"
    return name


def _manifest(roles: dict[str, str], kinds: dict[str, str], table: pa.Table, source: Path) -> str:
    """The guessed manifest, with a comment where a person should look."""
    label = table[roles["label"]]
    classes = pc.count_distinct(label).as_py()
    lines = [
        f"# Guessed from {source.name}: please read and correct it, then run "
        "`concord data check DIR` with this folder.",
        f"id: {_yaml(roles['id'])}",
        f"target: {{column: {_yaml(roles['label'])}, kind: single}}    # {classes} classes, {label.null_count} unlabelled",
        f"group: {_yaml(roles['group'])}"
        if "group" in roles
        else "# group: COLUMN    # records that must not be in two splits",
    ]
    if "split" in roles:
        lines.append(f"split: {{column: {_yaml(roles['split'])}}}")
    else:
        lines.append(
            "split: {salt: concord, validation: 0.1, test: 0.2}    # by hash, for ever; do not change the salt later"
        )
    lines.append("modalities:")
    used: dict[str, int] = {}
    for column, kind in kinds.items():
        if kind in ("image", "text"):
            used[kind] = used.get(kind, 0) + 1
            name = kind if used[kind] == 1 else f"{kind}{used[kind]}"
            lines.append(f"  {name}: {{kind: {kind}, column: {_yaml(column)}}}")
    fields = {c: k for c, k in kinds.items() if k in ("number", "category")}
    if fields:
        lines += [
            "  facts:    # remove columns that give the class away",
            "    kind: tabular",
            "    columns:",
        ]
        lines += [f"      {_yaml(c)}: {{type: {k}, null: missing}}" for c, k in fields.items()]
        lines.append(
            "      # an empty cell that means a value: {type: number, null: {default: 0}}; a list: {type: set, separator: ','}"
        )
    unused = [c for c in table.column_names if c not in kinds and c not in roles.values()]
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
