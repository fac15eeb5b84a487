"""A column of a table as kinds see it when an importer asks how the column may be used."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Column:
    """A sample of a column's cells.

    ``guess(column)`` of a kind returns ``modality`` where the column alone is a modality of this
    kind, the type of a field (``number``, ``category``, ``set``) where it is one column of a
    modality of fields, and None otherwise.

    Attributes:
        texts: cells of a column of text, without empty ones; empty for columns of other types.
        is_bytes: whether its cells are bytes.
        is_number: whether its cells are numbers or truth values.
        is_file: whether a cell names a file, as seen from the table.
    """

    texts: tuple[str, ...] = ()
    is_bytes: bool = False
    is_number: bool = False
    is_file: Callable[[str], bool] = lambda _: False

    @property
    def words(self) -> float:
        """Mean number of words of a cell; 0 without cells."""
        return sum(len(v.split()) for v in self.texts) / max(1, len(self.texts))
