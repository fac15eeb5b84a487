"""Fields: numbers, categories and sets of one record, by column name.

Source: the JSON data interchange syntax, ECMA-404, 2017: what a field may be over HTTP.
"""

import json
import math
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from components.core.errors import BadInput, unknown_name
from components.parts.contracts import Raw
from components.parts.guess import Column
from components.parts.reading import LARGEST, Reading

RAW = "fields"
VERSION = 1
LIBRARIES: tuple[str, ...] = ()
ENCODERS = ("fields",)
SUFFIXES: tuple[str, ...] = ()
MEDIA_TYPES: dict[str, str] = {}
ACCEPTS = "an object of fields; a field that is left out or null has its default, or is missing"

_MOST_DIGITS = 300
_MOST_OF_FRACTION = 32
"""More characters than any number with a fraction has."""
_NOTHING: tuple[Any, ...] = (None, "", [])
_MOST_CATEGORIES = 50
_WORDS = 3
"""Words of a mean cell from which on a column of few values is text."""


def guess(column: Column) -> str | None:
    """``number``, ``set``, or ``category`` for short texts that recur; others are useless."""
    if column.is_number or column.is_list:
        return "number" if column.is_number else "set"
    most = min(_MOST_CATEGORIES, max(2, column.cells // 2))
    return "category" if 0 < column.distinct <= most and column.words < _WORDS else None


def preview_type(preview: bytes | str) -> str:  # noqa: ARG001
    """Media type of a preview."""
    return "application/json"


@dataclass(frozen=True, kw_only=True)
class Config:
    """Limits of fields.

    Attributes:
        max_items: members that a set may have.
        max_characters: length of a category or of a set's member.
    """

    max_items: Annotated[int, Field(ge=1)] = 1000
    max_characters: Annotated[int, Field(ge=1)] = 1000


class TabularKind:
    """Fields of one modality, decoded to a dict with a float, str, list of str, or None per column.

    Attributes:
        types: column name to ``number``, ``category`` or ``set``, sorted by name.
    """

    def __init__(self, config: Config, name: str, columns: dict[str, dict[str, Any]]) -> None:
        self.name = name
        self.types = {column: str(spec["type"]) for column, spec in sorted(columns.items())}
        self._columns, self._config = columns, config

    def content(self, raw: Raw) -> bytes:
        """The fields as JSON with sorted names and members."""
        fields = self.decode(raw)
        plain = {c: sorted(v) if isinstance(v, list) else v for c, v in fields.items()}
        return json.dumps(plain, sort_keys=True).encode()

    def decode(self, raw: Raw, detail: int = 0) -> dict[str, Any]:  # noqa: ARG002
        """Every column with its checked value.

        Raises:
            BadInput: unknown column, a value of the wrong type, or too long.
        """
        if not isinstance(raw, dict):
            raise BadInput(self.name, f"a {type(raw).__name__}", "fields by column name")
        if unknown := sorted(str(c) for c in raw if c not in self.types):
            hint = unknown_name("column", unknown[0], self.types)
            field = f"{self.name}.{unknown[0]}"
            raise BadInput(field, "an unknown column", f"a column of the modality ({hint})")
        return {c: self._value(c, kind, raw.get(c)) for c, kind in self.types.items()}

    def preview(self, raw: Raw, value: dict[str, Any]) -> str:  # noqa: ARG002
        """JSON of the fields that have a value."""
        return json.dumps({c: v for c, v in value.items() if v is not None}, ensure_ascii=False)

    def schema(self) -> dict[str, Any]:
        """An object with a property for each column, as `parts.reading` accepts its values."""
        return {
            "type": "object",
            "properties": {column: self._property(column) for column in self.types},
            "additionalProperties": False,
        }

    def example(self) -> dict[str, Any]:
        """Every field with its default, or with a value of its type."""
        values = {"number": 1.0, "category": "a word", "set": ["a word", "another"]}
        reading = Reading(self.name, "fields", self._columns)
        defaults = {column: reading.cell(column, None) for column in self.types}
        return {
            column: values[kind] if defaults[column] in _NOTHING else defaults[column]
            for column, kind in self.types.items()
        }

    def _property(self, column: str) -> dict[str, Any]:
        """The JSON schema of one field."""
        spec, most = self._columns[column], self._config.max_characters
        # Numbers of more digits, and their sign, would be longer than a text may be.
        digits = 10 ** max(0, min(most - 2, _MOST_DIGITS)) - 1
        number = "number" if most >= _MOST_OF_FRACTION else "integer"
        word = {"maxLength": most, "minimum": -digits, "maximum": digits}
        separator = spec.get("separator") or ","
        kinds: dict[str, tuple[str, dict[str, Any]]] = {
            "number": (
                "a number" + (f" in {spec['unit']}" if spec.get("unit") else ""),
                {"type": ["number", "boolean", "null"], "minimum": -LARGEST, "maximum": LARGEST},
            ),
            "category": ("a category", {"type": ["string", number, "boolean", "null"], **word}),
            "set": (
                f"a set: a list, or text with {separator!r} between its members",
                {
                    "type": ["array", "string", "null"],
                    "items": {"type": ["string", number, "boolean"], **word},
                    "maxItems": self._config.max_items,
                    "maxLength": min(most, self._config.max_items),
                },
            ),
        }
        described, found = kinds[self.types[column]]
        null = spec.get("null")
        if isinstance(null, dict):
            found["default"] = null["default"]
        return {"description": described, **found}

    def _value(self, column: str, kind: str, value: Any) -> Any:  # noqa: ANN401
        where = f"{self.name}.{column}"
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return None
        if kind == "number":
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not abs(value) <= LARGEST:
                raise BadInput(where, repr(value)[:80], "a finite number of at most 3.4e38")
            return float(value)
        if kind == "category":
            return self._word(where, value)
        most = self._config.max_items
        if not isinstance(value, list | tuple) or len(value) > most:
            raise BadInput(where, repr(value)[:80], f"a list of at most {most} members, or null")
        return [self._word(where, member) for member in value]

    def _word(self, where: str, value: Any) -> str:  # noqa: ANN401
        most = self._config.max_characters
        if not isinstance(value, str) or len(value) > most:
            wanted = f"text of at most {most} characters, or null"
            raise BadInput(where, repr(value)[:80], wanted)
        try:
            value.encode()
        except UnicodeEncodeError as error:
            wanted = "text that UTF-8 can hold"
            raise BadInput(where, "text with half a surrogate pair", wanted) from error
        return value


def build(config: Config, *, name: str, columns: dict[str, Any]) -> TabularKind:
    """Fields of a modality; ``columns`` is its description in the manifest with typed columns."""
    return TabularKind(config, name, columns["columns"])
