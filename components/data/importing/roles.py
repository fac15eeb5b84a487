"""Which columns are the id, the label, the group and the split; their cells become text."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from components.core.errors import UsageError, unknown_name
from components.data.importing.id_column import id_column, numbered_rows
from components.data.importing.label_column import NO_LABEL, label_column, sets_of, tell_classes
from components.data.importing.report import Report
from components.data.importing.role_columns import first_for, texts_of
from components.data.importing.split_column import HASH, split_column
from components.data.importing.split_words import completed

_INSTEAD = (("split", HASH), ("label", NO_LABEL))


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
    if (label := label_column(table, source, named, report)) is not None:
        roles["label"] = label
        sets = sets_of(table, label, source, separator, report)
        if sets is None:
            texts[label] = texts_of(table, label, source)
            tell_classes(label, [c and [c] for c in texts[label]], 2, report)
        else:
            place = table.column_names.index(label)
            table = table.set_column(place, label, pa.array(sets, pa.list_(pa.string())))
            tell_classes(label, sets, 1, report)
    elif separator is not None:
        raise UsageError("--separator divides the cells of a label column; name it with --label")
    if (group := first_for(table, "group", named)) is not None:
        roles["group"], texts[group] = group, texts_of(table, group, source)
    if (found := id_column(table, source, named, report)) is not None:
        roles["id"], texts[found[0]] = found
    else:
        table, roles["id"] = numbered_rows(table)
        texts[roles["id"]] = table[roles["id"]].to_pylist()
    if (split := split_column(table, source, named, report)) is not None:
        roles["split"], given = split
        keys = texts[roles.get("group", roles["id"])]
        texts[roles["split"]], said = completed(given, [k or "" for k in keys])
        report.notes += [said] if said else []
    for column, cells in texts.items():
        place = table.column_names.index(column)
        table = table.set_column(place, column, pa.array(cells, pa.string()))
    return table, roles
