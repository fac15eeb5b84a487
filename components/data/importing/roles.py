"""Which columns are the id, the label, the group and the split."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from components.core.errors import UserError

_NAMES = {
    "id": ("id", "record_id", "key", "uid"),
    "label": ("label", "class", "target", "category", "y"),
    "group": ("group", "group_id"),
    "split": ("split",),
}


def roles_of(table: pa.Table, source: Path) -> dict[str, str]:
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


def numbered(table: pa.Table) -> pa.Table:
    """Number the rows as ids; an existing ``id`` column, which was unsuitable, is renamed."""
    names = [
        f"original_{n}" if n.lower() in _NAMES["id"] and n == "id" else n
        for n in table.column_names
    ]
    width = len(str(table.num_rows - 1))
    return table.rename_columns(names).add_column(
        0, "id", pa.array([f"r{i:0{width}}" for i in range(table.num_rows)])
    )
