"""Names of classes that Hugging Face writes into the metadata of its tables.

Source: ``datasets.Features.arrow_schema``: JSON under the key ``huggingface``, in which a feature
of type ``ClassLabel`` lists the names of its numbers; -1 means that a record has no label.
"""

import json
from typing import Any

import pyarrow as pa

from components.data.importing.report import Report

_KEY = b"huggingface"
_NO_LABEL = -1


def with_class_names(table: pa.Table, report: Report) -> pa.Table:
    """Put the names of classes where the table has their numbers.

    Args:
        table: as a file holds it, with its metadata.
        report: receives which columns became names.
    """
    for name, names in _class_names(table.schema.metadata or {}).items():
        if table.column_names.count(name) != 1:
            continue
        place = table.column_names.index(name)
        cells = [_named(value, names) for value in table[name].to_pylist()]
        table = table.set_column(place, name, pa.array(cells))
        some = ", ".join(map(repr, names[:3])) + (" ..." if names[3:] else "")
        report.notes.append(
            f"column {name!r}: read the numbers as the names in the file's metadata "
            f"({some}), and {_NO_LABEL} as empty"
        )
    return table


def _class_names(metadata: dict[bytes, bytes]) -> dict[str, list[str]]:
    """Columns of class numbers, or of lists of them, with the names of the numbers."""
    try:
        features = json.loads(metadata[_KEY])["info"]["features"]
        found = {column: _names(feature) for column, feature in features.items()}
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}
    return {column: names for column, names in found.items() if names}


def _names(feature: Any) -> list[str]:  # noqa: ANN401
    """Names of a feature, or of the members of its lists."""
    if isinstance(feature, list):
        return _names(feature[0]) if len(feature) == 1 else []
    if not isinstance(feature, dict):
        return []
    if feature.get("_type") == "ClassLabel":
        return [str(name) for name in feature.get("names") or []]
    return _names(feature.get("feature"))


def _named(value: Any, names: list[str]) -> Any:  # noqa: ANN401
    if isinstance(value, list):
        return [_named(member, names) for member in value]
    if value is None or value == _NO_LABEL:
        return None
    if isinstance(value, int) and 0 <= value < len(names):
        return names[value]
    return str(value)  # a number without a name stays a class of its own
