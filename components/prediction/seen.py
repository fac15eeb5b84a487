"""What the fields of a package's records hold, so that people can choose from it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from components.features.fields import fields_of
from components.features.spec import ModalitySpec
from components.prediction.packaged import Packaged

_RECORDS = 5_000  # evenly spaced ones tell enough
_MOST = 50
"""Distinct values that somebody can choose from."""


@dataclass(kw_only=True)
class Seen:
    """The values of one field.

    Attributes:
        counts: of each text, or of each member of a set.
        lowest: smallest number.
        highest: largest number.
    """

    counts: Counter[str] = field(default_factory=Counter)
    lowest: float | None = None
    highest: float | None = None

    @property
    def values(self) -> list[str] | None:
        """The texts, most frequent first; None where there are none, or more than 50."""
        ordered = sorted(self.counts, key=lambda value: (-self.counts[value], value))
        return ordered if 0 < len(ordered) <= _MOST else None

    def add(self, cell: object) -> None:
        """Take in one cell."""
        for value in cell if isinstance(cell, list) else [cell]:
            if isinstance(value, str):
                self.counts[value] += 1
            elif isinstance(value, int | float) and not isinstance(value, bool):
                self.lowest = value if self.lowest is None else min(self.lowest, value)
                self.highest = value if self.highest is None else max(self.highest, value)


def seen(packaged: Packaged, specs: Mapping[str, ModalitySpec]) -> dict[tuple[str, str], Seen]:
    """Modality of fields and column to what about 5,000 records of a package hold.

    Args:
        packaged: the records.
        specs: the model's modalities, by name.
    """
    found: dict[tuple[str, str], Seen] = {}
    for name in (name for name, spec in specs.items() if spec.raw == "fields"):
        for preview in packaged.sample(name, _RECORDS):
            for column, cell in fields_of(preview).items():
                found.setdefault((name, column), Seen()).add(cell)
    return found
