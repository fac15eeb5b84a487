"""The report of an import: what it read, what it left out, and what the user may decide."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Report:
    """The outcome of an import, printed and written into the manifest as comments.

    Attributes:
        records: number of records of the new data set.
        notes: sentences about what was not taken as it stands, or what the user should decide.
        columns: each column that no modality reads, with the reason; it stays in the records.
        nearly_numbers: each column of text whose cells are numbers but for a few, and these.
        left_out: reason to the number of rows or files that became no records.
    """

    records: int = 0
    notes: list[str] = field(default_factory=list)
    columns: dict[str, str] = field(default_factory=dict)
    nearly_numbers: dict[str, str] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def sum(self) -> str:
        """How the number of records comes about."""
        lost = self.left_out.total()
        reasons = "".join(f"; {count:,} {why}" for why, count in self.left_out.items() if count)
        return (
            f"{self.records + lost:,} read = {self.records:,} records + {lost:,} left out{reasons}"
        )

    @property
    def lines(self) -> list[str]:
        """The notes and the columns, one line each."""
        return self.notes + [f"not used: {name!r}: {why}" for name, why in self.columns.items()]


def some(values: Sequence[str], most: int = 5) -> str:
    """The first of some values, and how many more there are."""
    shown = ", ".join(map(repr, values[:most]))
    return shown if len(values) <= most else f"{shown} and {len(values) - most:,} more"


def counted(number: int, noun: str) -> str:
    """A number of things.

    >>> counted(1, "file"), counted(2000, "file")
    ('1 file', '2,000 files')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
