"""What a value means: the one rule from a value, wherever it stands, to a raw value of a modality.

A cell of a data set, a value over HTTP, an option of the command line and a row of MLflow's data
frame all pass here, so they mean the same everywhere.
"""

import math
from collections.abc import Callable, Mapping
from datetime import date, time
from decimal import Decimal
from typing import Any

from components.core.errors import BadInput, one_of
from components.core.values import as_text, is_empty, plain
from components.parts.contracts import Raw, RawType

LARGEST = 3.4028234663852886e38
"""The largest number that a model can read, that of 32 bits."""
_NUMBER = "a finite number of at most 3.4e38, true or false"
_SHOWN = 80
_NUMBERS = (int, float, Decimal)
_NAMED = (str, int, float, Decimal, date, time)
"""What a category or a member of a set may be; all have one text."""

Cell = float | str | list[str] | None
"""One field of a raw value: a number, a category, a set, or None for missing."""


class Reading:
    """Reads values of one modality as raw values; a raw value is read as itself.

    Args:
        name: name of the modality, for errors.
        raw: what its raw values are.
        columns: the description of each column of a modality of fields: its ``type``, and where
            given the ``separator`` of a set and ``null: {default: value}``.

    Example:
        >>> columns = {
        ...     "price": {"type": "number", "null": {"default": 0}},
        ...     "sold": {"type": "category"},
        ...     "tags": {"type": "set", "separator": "|"},
        ... }
        >>> Reading("facts", "fields", columns)({"sold": True, "tags": "b|a"})
        {'price': 0.0, 'sold': 'true', 'tags': ['a', 'b']}
        >>> Reading("title", "text")("   ") is None
        True
    """

    def __init__(
        self, name: str, raw: RawType, columns: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        self._name = name
        self._columns = {
            column: _Column(f"{name}.{column}", spec) for column, spec in (columns or {}).items()
        }
        readers: dict[RawType, Callable[[Any], Raw | None]] = {
            "bytes": self._bytes,
            "text": self._text,
            "fields": self._fields,
        }
        self._read = readers[raw]

    def __call__(self, value: object) -> Raw | None:
        """The raw value; None if the record lacks the modality.

        A record lacks it where there is no value, the text is blank, there are no bytes, or all
        fields are empty and none has a default.

        Raises:
            BadInput: a value of another type, or an unknown field.
        """
        return None if is_empty(value) else self._read(value)

    def cell(self, column: str, value: object) -> Cell:
        """One field as the raw value has it; an empty one has the column's default.

        Raises:
            BadInput: a value of another type.
        """
        return self._columns[column](value)

    def _bytes(self, value: Any) -> Raw | None:  # noqa: ANN401
        if isinstance(value, bytearray | memoryview):
            value = bytes(value)
        if not isinstance(value, bytes):
            raise BadInput(self._name, _shown(value), "the bytes of a file")
        return value or None

    def _text(self, value: Any) -> Raw | None:  # noqa: ANN401
        if not isinstance(value, str):
            raise BadInput(self._name, _shown(value), "text")
        return value

    def _fields(self, value: Any) -> Raw | None:  # noqa: ANN401
        if not isinstance(value, Mapping):
            raise BadInput(self._name, _shown(value), "fields by column name")
        if unknown := sorted(str(c) for c in value if c not in self._columns):
            field = f"{self._name}.{unknown[0]}"
            raise BadInput(field, "an unknown column", one_of(unknown[0], self._columns))
        fields = {column: read(value.get(column)) for column, read in self._columns.items()}
        return fields if any(cell is not None for cell in fields.values()) else None


class _Column:
    """Reads the cells of one column."""

    def __init__(self, where: str, spec: Mapping[str, Any]) -> None:
        self._where = where
        self._separator = str(spec.get("separator") or ",")
        readers: dict[str, Callable[[Any], Cell]] = {
            "number": self._number,
            "category": self._category,
            "set": self._set,
        }
        self._read = readers[str(spec["type"])]
        null = spec.get("null")
        # A default is a value even where it is blank: the empty set, or a category without a name.
        self._default = self._read(null["default"]) if isinstance(null, Mapping) else None

    def __call__(self, value: object) -> Cell:
        return self._default if is_empty(value) else self._read(plain(value))

    def _number(self, value: Any) -> Cell:  # noqa: ANN401
        if not isinstance(value, _NUMBERS) or not (-LARGEST <= value <= LARGEST):
            raise BadInput(self._where, _shown(value), _NUMBER)
        return float(value)

    def _category(self, value: Any) -> Cell:  # noqa: ANN401
        return self._word(value, "text, a number, true, false or a date")

    def _set(self, value: Any) -> Cell:  # noqa: ANN401
        if isinstance(value, str):
            members = value.split(self._separator)
        elif isinstance(value, list | tuple | set | frozenset):
            wanted = "a set whose members are texts, numbers, true, false or dates"
            members = [self._word(plain(v), wanted) for v in value if not is_empty(v)]
        else:
            wanted = f"a list of members, text with {self._separator!r} between them"
            raise BadInput(self._where, _shown(value), wanted)
        return sorted({member.strip() for member in members if member.strip()})

    def _word(self, value: Any, wanted: str) -> str:  # noqa: ANN401
        if type(value) is str:
            return value
        # Not finite are the numbers that a table writer makes of a division by zero.
        if not isinstance(value, _NAMED) or (
            isinstance(value, _NUMBERS[1:]) and not math.isfinite(value)
        ):
            raise BadInput(self._where, _shown(value), wanted)
        return as_text(value)


def _shown(value: object) -> str:
    text = repr(value).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
