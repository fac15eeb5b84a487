"""The records that a package came with: its model's predictions for them, and their previews."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.features.fields import fields_of
from components.features.spec import ModalitySpec
from components.parts.columns import Attributes
from components.parts.filters import Declared
from components.prediction.attributes import values
from components.prediction.format import INDEX, PRESENT, PREVIEW_ROWS, PREVIEWS, RECORDS
from components.prediction.made import Known


class Packaged:
    """Immutable records, by row; may be used from several threads.

    Args:
        package: its folder.
        names: sorted modality names.

    Attributes:
        ids: of all ``n`` records.
        row_of: id to row.
        present: ``(n, modalities)`` bool.
    """

    def __init__(self, package: Path, names: list[str]) -> None:
        self._folder, self._names = package / INDEX, names
        # `read_table` would import pandas, where it is installed.
        table = pq.ParquetFile(self._folder / RECORDS).read().combine_chunks()
        self.ids: list[str] = table["id"].to_pylist()
        self.row_of = {record: row for row, record in enumerate(self.ids)}
        self.present: NDArray[np.bool_] = np.load(self._folder / PRESENT)
        # Packages of before have no confidence and no votes. Others are kept as arrow has them.
        told = ("label", "predicted", "group", "time", "confidence", "votes")
        self._columns = {name: table[name] for name in told if name in table.column_names}

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def timed(self) -> bool:
        """Whether its data set has a column of times."""
        return "time" in self._columns

    def known(self, row: int) -> Known:
        """The model's prediction for a record."""
        cells = {name: column[row].as_py() for name, column in self._columns.items()}
        has = zip(self._names, self.present[row], strict=True)
        votes = {n: vote for n, vote in (cells.get("votes") or {}).items() if vote is not None}
        return Known(
            label=cells.get("label"),
            predicted=cells.get("predicted"),
            group=self.ids[row] if cells.get("group") is None else cells["group"],
            time=cells.get("time"),
            confidence=cells.get("confidence"),
            votes=votes,
            modalities=tuple(name for name, present in has if present),
        )

    @cached_property
    def confidence(self) -> NDArray[np.float64]:
        """How sure the model is of each answer ``(n,)``; NaN where nobody has measured it."""
        return np.array(self._cells("confidence"), dtype=np.float64)

    @cached_property
    def unlabelled(self) -> NDArray[np.bool_]:
        """Which records ``(n,)`` have no label."""
        return np.array([label is None for label in self._cells("label")], dtype=bool)

    def _cells(self, name: str) -> list[Any]:
        """A column's value for each record."""
        column = self._columns.get(name)
        return [None] * len(self) if column is None else column.to_pylist()

    def preview(self, row: int, modality: str) -> bytes | str | None:
        """The small form of one modality of a record; None where it lacks it."""
        file = pq.ParquetFile(self._folder / PREVIEWS)
        group = file.read_row_group(row // PREVIEW_ROWS, columns=[modality])
        value: bytes | str | None = group[modality][row % PREVIEW_ROWS].as_py()
        return value

    def sample(self, modality: str, most: int) -> Iterator[bytes | str | None]:
        """The small forms of about so many records, evenly spaced; None where one lacks it."""
        file = pq.ParquetFile(self._folder / PREVIEWS)
        wanted = min(file.num_row_groups, max(1, most // PREVIEW_ROWS))
        for group in np.linspace(0, file.num_row_groups - 1, wanted, dtype=int).tolist():
            yield from file.read_row_group(group, columns=[modality])[modality].to_pylist()

    def fields(self, modalities: list[str]) -> list[dict[str, dict[str, Any]]]:
        """Of each record, modality to its fields, for these modalities of fields."""
        table = pq.ParquetFile(self._folder / PREVIEWS).read(columns=modalities)
        columns = {name: [fields_of(p) for p in table[name].to_pylist()] for name in modalities}
        return [
            {name: cells[row] for name, cells in columns.items()} for row in range(len(self.ids))
        ]


def packaged_attributes(
    packaged: Packaged, specs: Mapping[str, ModalitySpec], declared: Declared
) -> Attributes:
    """The attributes of the records of a package, from its tables and the previews of fields."""
    known = [packaged.known(row) for row in range(len(packaged))]
    of_fields = [name for name, spec in specs.items() if spec.raw == "fields"]
    return values(known, packaged.fields(of_fields), declared)
