"""Which columns are the id, the label, the group and the split; their cells become text."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from components.core.errors import UsageError, UserError, unknown_name
from components.core.values import as_text, is_empty
from components.data.importing.report import Report
from components.data.importing.split_words import WORDS, completed, split_of
from components.data.labels import members
from components.data.splits import SPLITS

NAMES = {
    "id": ("id", "record_id", "key", "uid"),
    "label": ("label", "class", "target", "category", "y", "labels", "classes"),
    "group": ("group", "group_id"),
    "split": ("split", "subset", "partition", "fold"),
}
"""Usual names of the roles, the likeliest first."""
HASH = "hash"
"""In place of a split column: the split is decided by hash, whatever the table says."""
NO_LABEL = "none"
"""In place of a label column: nothing is predicted, whatever the table says."""
_INSTEAD = (("split", HASH), ("label", NO_LABEL))
_MARKERS = ("na", "n/a", "#n/a", "<na>", "nan", "null", "none", "-", "?", "unknown", "unlabelled")


def with_roles(
    table: pa.Table,
    source: Path,
    named: Mapping[str, str],
    report: Report,
    separator: str | None = None,
) -> tuple[pa.Table, dict[str, str]]:
    """Find the roles' columns by name and write their cells as text, as they stand.

    Args:
        table: the records.
        source: for messages.
        named: role to the column that the user names for it.
        report: receives what was decided, and the columns that must not be features.
        separator: separates the classes of a record in the text of its label.

    Returns:
        The table, and role to column. There always is an id: the rows are numbered if need be.
        Labels that are sets of classes are lists.

    Raises:
        UserError: no column of labels, or a role's cells have no text.
        UsageError: the user names a column that does not exist.
    """
    for role, name in named.items():
        if name not in table.column_names and (role, name) not in _INSTEAD:
            raise UsageError(f"--{role}: {unknown_name('column', name, table.column_names)}")
    texts: dict[str, list[str | None]] = {}
    roles: dict[str, str] = {}
    if (label := _label(table, source, named, report)) is not None:
        roles["label"] = label
        sets = _sets(table, label, source, separator, report)
        if sets is None:
            texts[label] = _texts(table, label, source)
            _tell_classes(label, [c and [c] for c in texts[label]], 2, report)
        else:
            place = table.column_names.index(label)
            table = table.set_column(place, label, pa.array(sets, pa.list_(pa.string())))
            _tell_classes(label, sets, 1, report)
    elif separator is not None:
        raise UsageError("--separator divides the cells of a label column; name it with --label")
    if (group := _first(table, "group", named)) is not None:
        roles["group"], texts[group] = group, _texts(table, group, source)
    if (found := _id(table, source, named, report)) is not None:
        roles["id"], texts[found[0]] = found
    else:
        table, roles["id"] = _numbered(table)
        texts[roles["id"]] = table[roles["id"]].to_pylist()
    if (split := _split(table, source, named, report)) is not None:
        roles["split"], given = split
        keys = texts[roles.get("group", roles["id"])]
        texts[roles["split"]], said = completed(given, [k or "" for k in keys])
        report.notes += [said] if said else []
    for column, cells in texts.items():
        place = table.column_names.index(column)
        table = table.set_column(place, column, pa.array(cells, pa.string()))
    return table, roles


def _named(table: pa.Table, role: str, named: Mapping[str, str]) -> list[str]:
    """Columns that may have a role: the one the user names, else those with a usual name."""
    if role in named:
        return [named[role]]
    usual = NAMES[role]
    found = [c for c in table.column_names if c.strip().casefold() in usual]
    return sorted(found, key=lambda c: (usual.index(c.strip().casefold()), c not in usual))


def _first(table: pa.Table, role: str, named: Mapping[str, str]) -> str | None:
    return next(iter(_named(table, role, named)), None)


def _texts(table: pa.Table, column: str, source: Path) -> list[str | None]:
    try:
        return [None if is_empty(v) else as_text(v) for v in table[column].to_pylist()]
    except ValueError as error:
        kind = table[column].type
        raise UserError(
            f"{source}: column {column!r}: got {kind}, wanted one text or number in each cell "
            f"({error}); name another column with --label, --id, --group or --split"
        ) from error


def _label(table: pa.Table, source: Path, named: Mapping[str, str], report: Report) -> str | None:
    """The column of labels; None where the user wants none."""
    if named.get("label") == NO_LABEL and NO_LABEL not in table.column_names:
        return None
    found = _named(table, "label", named)
    if not found:
        raise UserError(
            f"{source}: got columns {table.column_names}, wanted one named "
            f"{', '.join(NAMES['label'])} with the class; name yours with --label COLUMN, or "
            f"learn without labels, for search alone, with --label {NO_LABEL}"
        )
    label, *others = found
    for other in [c for c in others if c.strip().casefold() == label.strip().casefold()]:
        report.columns[other] = f"it has the name of {label!r}, which is the label"
        others.remove(other)
    if others:
        report.notes.append(
            f"label: column {label!r}; {_listed(others)} may be one too "
            "(choose with --label COLUMN), and is no feature if it gives the class away"
        )
    return label


def _sets(
    table: pa.Table, label: str, source: Path, separator: str | None, report: Report
) -> list[list[str] | None] | None:
    """The sets of classes in a label column that holds lists, or texts with a separator."""
    kind = table.schema.field(label).type
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    if not lists and separator is None:
        return None
    try:
        found = [members(cell, separator) for cell in table[label].to_pylist()]
    except ValueError as error:
        raise UserError(
            f"{source}: column {label!r}: got {kind}, wanted a list of texts or numbers in each "
            f"cell ({error}); name another column with --label"
        ) from error
    how = "holds lists" if lists else f"is divided at {separator!r}"
    empty = sum(label == [] for label in found)
    report.notes.append(
        f"label: column {label!r} {how}, so a record has a set of classes (kind multi); "
        f"{sum(map(bool, found)):,} have some, {empty:,} have none of them, and "
        f"{found.count(None):,} are unlabelled"
    )
    return found


def _tell_classes(
    label: str, labels: Iterable[Iterable[str] | None], least: int, report: Report
) -> None:
    """Note classes that may be no classes, or one class under several names, or too few."""
    classes = Counter(name for label in labels if label for name in label)
    for marker in sorted(c for c in classes if c.strip().casefold() in _MARKERS):
        report.notes.append(
            f"label: {marker!r} is a class of {classes[marker]:,} records; "
            "if it means that they have no label, empty these cells (or name their folder "
            "'unlabelled') and import again"
        )
    if len(classes) < least:
        got = f"the single class {next(iter(classes))!r}" if classes else "no class"
        wanted = "two or more" if least > 1 else "some"
        report.notes.append(f"label: column {label!r} has {got}; a model needs {wanted}")
    alike: dict[str, list[str]] = {}
    for name in classes:
        alike.setdefault(" ".join(name.split()).casefold(), []).append(name)
    report.notes += [
        f"label: {_listed(names)} are different classes" for names in alike.values() if names[1:]
    ]


def _id(
    table: pa.Table, source: Path, named: Mapping[str, str], report: Report
) -> tuple[str, list[str | None]] | None:
    """The first column that gives each record an id of its own; the others are no features."""
    for column in _named(table, "id", named):
        cells = _texts(table, column, source)
        why = _unfit(cells)
        if not why:
            return column, cells
        if "id" in named:
            raise UserError(f"{source}: column {column!r} cannot be the id: {why}")
        report.columns[column] = f"it cannot be the id: {why}"
    able = next((c for c in table.column_names if _could_be_id(table[c])), None)
    report.notes.append(
        "id: no column with a usual name gives each record an id of its own, so the rows are "
        "numbered in their order here; choose a column with --id COLUMN"
        + (f", for example {able!r}" if able is not None else "")
    )
    return None


def _could_be_id(column: pa.ChunkedArray) -> bool:
    """Whether each cell is a whole number or a word of its own."""
    kind = column.type
    texts = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if column.null_count or not (texts or pa.types.is_integer(kind)):
        return False
    if texts and not pc.all(pc.match_substring_regex(column, r"^\S+$")).as_py():
        return False
    return bool(pc.count_distinct(column).as_py() == len(column))


def _unfit(cells: list[str | None]) -> str:
    """Why cells cannot be ids; empty if they can."""
    if empty := sum(c is None for c in cells):
        return f"{empty:,} of its {len(cells):,} cells are empty"
    counts = Counter(cells)
    if len(counts) == len(cells):
        return ""
    value, times = counts.most_common(1)[0]
    return f"{len(cells) - len(counts):,} of its values repeat; {value!r} is there {times} times"


def _numbered(table: pa.Table) -> tuple[pa.Table, str]:
    """Number the rows in a new column."""
    taken = {c.strip().casefold() for c in table.column_names}
    name = next(n for n in ("id", "row", *(f"row_{i}" for i in range(2, 10**6))) if n not in taken)
    width = len(str(table.num_rows - 1))
    numbers = pa.array([f"r{i:0{width}}" for i in range(table.num_rows)])
    return table.add_column(0, name, numbers), name


def _split(
    table: pa.Table, source: Path, named: Mapping[str, str], report: Report
) -> tuple[str, list[str | None]] | None:
    """The column of splits, and the split of each record in our words."""
    if named.get("split") == HASH and HASH not in table.column_names:
        return None
    for column in _named(table, "split", named):
        surely = "split" in named or column.strip().casefold() == "split"
        cells = _texts(table, column, source)
        words = {c: split_of(c) for c in dict.fromkeys(cells) if c is not None}
        if not words:
            continue
        if (odd := [w for w, split in words.items() if split is None]) and surely:
            raise UserError(
                f"{source}: column {column!r} has {_listed(odd)}; wanted "
                f"{', '.join('/'.join(w) for w in WORDS.values())} in any case. Change the cells, "
                f"name another column with --split COLUMN, or let a hash decide with --split {HASH}"
            )
        if odd:
            report.columns[column] = (
                f"{_listed(odd)} are no words for splits; it may be about the split all the same"
            )
            continue
        if "train" not in words.values():
            raise UserError(
                f"{source}: column {column!r} has {_listed(words)} but no training records; "
                f"add them, or let a hash decide with --split {HASH}"
            )
        if set(words.values()) == {"train"}:
            report.notes.append(
                f"split: column {column!r} has only {_listed(words)}; a hash decides instead"
            )
            continue
        if renamed := [f"{w!r} as {s}" for w, s in words.items() if w != s]:
            report.notes.append(f"split: column {column!r}: read {', '.join(renamed)}")
        if empty := sum(c is None for c in cells):
            report.notes.append(
                f"split: {empty:,} records have none in column {column!r}; the check leaves "
                f"them out; wanted one of {', '.join(SPLITS)}"
            )
        return column, [None if c is None else words[c] for c in cells]
    return None


def _listed(values: Iterable[str], most: int = 5) -> str:
    values = list(values)
    some = ", ".join(repr(v) for v in values[:most])
    return some if len(values) <= most else f"{some} and {len(values) - most:,} more"
