"""Which records a search may find: conditions on their declared attributes.

A filter says yes or no of every record. A record without a value satisfies neither `In` nor
`Range`, so that it satisfies their `Not`: "not a ring" holds where nothing is known. A record with
several values satisfies `In` if one of them is wanted; one with none is like one without a value.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

from components.core.errors import BadInput, one_of
from components.core.moments import seconds_of

Type = Literal["text", "texts", "number", "bool", "time"]
"""What an attribute holds: one text, any number of texts, a number, a truth value, or a time in
seconds since 1970-01-01 UTC."""
Declared = Mapping[str, Type]
"""Attribute name to its type."""

ID = "id"
"""The field of the record's own id, which every index has beside the declared ones."""

MAX_DEPTH = 8
MAX_CONDITIONS = 64
MAX_VALUES = 10_000
"""Limits of one filter that a user writes: nesting, conditions, and values in all of them."""


@dataclass(frozen=True)
class In:
    """The attribute is, or holds, one of the values (texts, numbers, or truth values)."""

    field: str
    values: tuple[str | float, ...]


@dataclass(frozen=True, kw_only=True)
class Range:
    """The number or time lies between the given bounds, of which there is at least one."""

    field: str
    at_least: float | None = None
    at_most: float | None = None
    above: float | None = None
    below: float | None = None


@dataclass(frozen=True)
class And:
    """All of them hold; true of every record where there are none."""

    of: tuple["Filter", ...]


@dataclass(frozen=True)
class Or:
    """One of them holds; true of no record where there are none."""

    of: tuple["Filter", ...]


@dataclass(frozen=True)
class Not:
    """It does not hold."""

    of: "Filter"


Filter: TypeAlias = In | Range | And | Or | Not

_BOUNDS = ("at_least", "at_most", "above", "below")
_FORMS = (
    'one of {"and": […]}, {"or": […]}, {"not": …}, {"field": …, "in": […]},'
    ' {"field": …, "at_least"|"at_most"|"above"|"below": …}, {"labels": […]}'
)
_HOLDS = {
    "text": "texts",
    "texts": "texts",
    "number": "numbers",
    "bool": "true or false",
    "time": "times, as ISO 8601 texts or seconds since 1970",
}


def conditions(of: Filter) -> Iterator[In | Range]:
    """The single conditions of a filter, in their order."""
    if isinstance(of, In | Range):
        yield of
    elif isinstance(of, Not):
        yield from conditions(of.of)
    else:
        for part in of.of:
            yield from conditions(part)


def check(of: Filter, declared: Declared) -> None:
    """Check that a filter's conditions suit the attributes.

    Raises:
        BadInput: an attribute that is not declared, or a condition that its type does not know.
    """
    for condition in conditions(of):
        _check(condition, declared, "filter")


def parse(form: object, declared: Declared, where: str = "filter") -> Filter:
    """The filter that a JSON form describes.

    Args:
        form: what `json.loads` read.
        declared: the attributes that it may name, beside ``id``.
        where: path of the form, for messages.

    Raises:
        BadInput: what is wrong, with its path (``filter.and[1].in[0]``).
    """
    read = _Reading(declared, where)
    return read.filter(form, where, 1)


class _Reading:
    """Reads one form, and counts what it found so far."""

    def __init__(self, declared: Declared, where: str) -> None:
        self._declared, self._where = declared, where
        self._conditions = self._values = 0

    def filter(self, form: object, path: str, depth: int) -> Filter:
        if depth > MAX_DEPTH:
            raise BadInput(self._where, "deeper nesting", f"at most {MAX_DEPTH} levels")
        if not isinstance(form, dict):
            raise BadInput(path, type(form).__name__, _FORMS)
        keys = frozenset(form)
        if keys in ({"and"}, {"or"}):
            (key,) = keys
            parts = self._list(form[key], f"{path}.{key}")
            of = tuple(
                self.filter(part, f"{path}.{key}[{i}]", depth + 1) for i, part in enumerate(parts)
            )
            return And(of) if key == "and" else Or(of)
        if keys == {"not"}:
            return Not(self.filter(form["not"], f"{path}.not", depth + 1))
        if keys == {"labels"}:
            return self._in("label", form["labels"], f"{path}.labels", path)
        if keys == {"field", "in"}:
            return self._in(form["field"], form["in"], f"{path}.in", f"{path}.field")
        if "field" in keys and len(keys) > 1 and keys <= {"field", *_BOUNDS}:
            return self._range(form, path)
        raise BadInput(path, f"the keys {_shown(sorted(map(str, keys)))}", _FORMS)

    def _in(self, field: object, values: object, path: str, field_path: str) -> In:
        kind = self._counted(field, field_path)
        given = self._list(values, path)
        return In(
            cast(str, field), tuple(_value(v, kind, f"{path}[{i}]") for i, v in enumerate(given))
        )

    def _range(self, form: Mapping[str, object], path: str) -> Range:
        kind = self._counted(form["field"], f"{path}.field")
        if kind not in ("number", "time"):
            raise BadInput(path, f"bounds for {form['field']!r}, which holds {_HOLDS[kind]}", "in")
        bounds = {
            name: cast(float, _value(form[name], kind, f"{path}.{name}"))
            for name in _BOUNDS
            if name in form
        }
        return Range(field=cast(str, form["field"]), **bounds)

    def _counted(self, field: object, path: str) -> Type:
        self._conditions += 1
        if self._conditions > MAX_CONDITIONS:
            raise BadInput(self._where, "more conditions", f"at most {MAX_CONDITIONS}")
        return _type(field, self._declared, path)

    def _list(self, given: object, path: str) -> list[object]:
        if not isinstance(given, list):
            raise BadInput(path, type(given).__name__, "a list")
        self._values += len(given)
        if self._values > MAX_VALUES:
            raise BadInput(self._where, "more values", f"at most {MAX_VALUES}")
        return given


def _type(field: object, declared: Declared, path: str) -> Type:
    if field == ID:
        return "text"
    if not isinstance(field, str) or field not in declared:
        raise BadInput(path, _shown(field), one_of(str(field)[:100], [*declared, ID]))
    return declared[field]


def _check(condition: In | Range, declared: Declared, where: str) -> None:
    kind = _type(condition.field, declared, f"{where}.field")
    if isinstance(condition, In):
        for value in condition.values:
            if _value(value, kind, where) != value:
                raise BadInput(where, _shown(value), "times in seconds since 1970")
        return
    bounds = [getattr(condition, name) for name in _BOUNDS]
    if kind not in ("number", "time"):
        raise BadInput(where, f"bounds for {condition.field!r}, which holds {_HOLDS[kind]}", "in")
    if not any(bound is not None for bound in bounds):
        raise BadInput(where, "no bounds", f"one of {', '.join(_BOUNDS)}")
    for bound in bounds:
        if bound is not None:
            _value(bound, kind, where)


def _value(given: object, kind: Type, path: str) -> str | float:
    """A value as the columns hold it: times are seconds.

    Raises:
        BadInput: it is of another type.
    """
    if kind in ("text", "texts"):
        if isinstance(given, str):
            return given
    elif kind == "bool":
        if isinstance(given, bool):
            return given
    elif isinstance(given, int | float) and not isinstance(given, bool):
        number = _finite(given)
        if number is not None:
            return number
    elif kind == "time" and isinstance(given, str):
        with suppress(ValueError):
            if (seconds := seconds_of(given)) is not None:
                return seconds
    raise BadInput(path, _shown(given), _HOLDS[kind])


def _finite(number: float) -> float | None:
    try:
        value = float(number)
    except OverflowError:
        return None
    return value if math.isfinite(value) else None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
