"""The categorical attributes of encoded records: categories and sets of fields, and the class."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.features.fields import fields_of
from components.features.store import Features

CLASS = "class"
CATEGORICAL = ("category", "set")
"""Types of columns whose values are equal or not."""
UNKNOWN = -1
_ROWS = 8192


@dataclass(frozen=True, kw_only=True)
class Categories:
    """What is categorical of ``n`` records.

    Attributes:
        names: of the attributes: ``MODALITY.COLUMN``, and ``class`` where something is predicted.
        codes: ``(n, attributes)``: in a column, equal numbers for equal values; -1 where the value
            is missing or the label is hidden.
    """

    names: tuple[str, ...]
    codes: NDArray[np.int64]


def categories(data: Features) -> Categories:
    """The categorical attributes of all records; previews are read piece by piece."""
    columns = {
        name: wanted
        for name, spec in sorted(data.specs.items())
        if (wanted := _categorical(spec.columns.get("columns") or {}))
    }
    names = [f"{name}.{column}" for name, wanted in columns.items() for column in wanted]
    found = [_of_fields(data, columns)] if columns else []
    if data.target.width > 0:
        names.append(CLASS)
        found.append(_of_labels(data)[:, None])
    codes = np.concatenate(found, axis=1) if found else np.zeros((len(data.ids), 0), np.int64)
    return Categories(names=tuple(names), codes=codes)


def _categorical(columns: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [name for name, described in sorted(columns.items()) if described["type"] in CATEGORICAL]


def _of_fields(data: Features, columns: Mapping[str, list[str]]) -> NDArray[np.int64]:
    """Codes of all columns of fields ``(n, columns)``, modality by modality."""
    seen: dict[tuple[str, str], dict[Any, int]] = {
        (name, column): {None: UNKNOWN} for name, wanted in columns.items() for column in wanted
    }
    rows = []
    file = pq.ParquetFile(data.path / "previews.parquet")
    for batch in file.iter_batches(_ROWS, columns=list(columns)):
        cells = {name: [fields_of(p) for p in batch[name].to_pylist()] for name in columns}
        for row in range(batch.num_rows):
            # The first code is 0, since a missing value has one already.
            rows.append(
                [
                    codes.setdefault(_value(cells[name][row].get(column)), len(codes) - 1)
                    for (name, column), codes in seen.items()
                ]
            )
    return np.array(rows, dtype=np.int64).reshape(-1, len(seen))


def _value(cell: object) -> object:
    """A cell as it is compared: the members of a set have no order."""
    return tuple(sorted({str(member) for member in cell})) if isinstance(cell, list) else cell


def _of_labels(data: Features) -> NDArray[np.int64]:
    """The code of each record's visible label ``(n,)``, a class or a set of them."""
    labels = data.labels.reshape(len(data.ids), -1)
    _, codes = np.unique(labels, axis=0, return_inverse=True)
    visible = data.target.labelled(data.labels)
    return np.where(visible, codes.reshape(-1), UNKNOWN).astype(np.int64)
