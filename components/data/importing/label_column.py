"""The column of labels: one class in each cell, or a set of them, and what is odd about them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa

from components.core.errors import UserError
from components.data.importing.report import Report
from components.data.importing.role_columns import NAMES, columns_for, listed
from components.data.labels import members

NO_LABEL = "none"
"""In place of a label column: nothing is predicted, even if the table has labels."""
_MARKERS = ("na", "n/a", "#n/a", "<na>", "nan", "null", "none", "-", "?", "unknown", "unlabelled")


def label_column(
    table: pa.Table, source: Path, named: Mapping[str, str], report: Report
) -> str | None:
    """The column of labels; None where the user wants none."""
    if named.get("label") == NO_LABEL and NO_LABEL not in table.column_names:
        return None
    found = columns_for(table, "label", named)
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
            f"label: column {label!r}; {listed(others)} may be one too "
            "(choose with --label COLUMN); it must not be a feature if it gives the class away"
        )
    return label


def sets_of(
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


def tell_classes(
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
        f"label: {listed(names)} are different classes" for names in alike.values() if names[1:]
    ]
