"""The attributes of a record that a search may filter by.

They are ``label``, ``predicted``, ``group``, ``has`` (the record's modalities), ``time`` where the
data set has a column of times, and each column of its fields as ``MODALITY.COLUMN``.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from components.features.spec import ModalitySpec
from components.parts.columns import Attributes, Value
from components.parts.filters import Declared, Type
from components.prediction.made import Known

_TYPES: dict[str, Type] = {"number": "number", "category": "text", "set": "texts"}


def declared(specs: Mapping[str, ModalitySpec], *, sets: bool, timed: bool = False) -> Declared:
    """The attributes of a model's records, with their types.

    Args:
        specs: the model's modalities, by name.
        sets: whether a record has a set of classes.
        timed: whether its data set has a column of times.
    """
    own: Type = "texts" if sets else "text"
    found: dict[str, Type] = {"label": own, "predicted": own, "group": "text", "has": "texts"}
    if timed:
        found["time"] = "time"
    for name, spec in sorted(specs.items()):
        for column, described in sorted((spec.columns.get("columns") or {}).items()):
            found[f"{name}.{column}"] = _TYPES[str(described["type"])]
    return found


def values(
    known: Sequence[Known], fields: Sequence[Mapping[str, Mapping[str, Any]]], of: Declared
) -> Attributes:
    """The values of ``n`` records, by attribute.

    Args:
        known: the model's prediction for each record.
        fields: of each record modality to its fields; see `fields.fields_of`.
        of: the declared attributes.
    """
    found: dict[str, list[Value]] = {name: [None] * len(known) for name in of}
    for row, (record, own) in enumerate(zip(known, fields, strict=True)):
        found["label"][row], found["predicted"][row] = record.label, record.predicted
        found["group"][row], found["has"][row] = record.group, list(record.modalities)
        if "time" in of:
            found["time"][row] = record.time
        for modality, cells in own.items():
            for column, value in cells.items():
                if (name := f"{modality}.{column}") in found:
                    found[name][row] = _suited(value, of[name])
    return found


def _suited(value: object, kind: Type) -> Value:
    """A field as its column holds it; the preview of a user's own kind may hold anything."""
    if kind == "texts":
        several = isinstance(value, list) and all(isinstance(member, str) for member in value)
        return value if several else None  # type: ignore[return-value]
    if kind == "number":
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return float(value) if number and math.isfinite(value) else None  # type: ignore[arg-type]
    return value if isinstance(value, str) else None
