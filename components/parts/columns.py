"""The attributes of an index's records, a column each, so that a filter costs no loop over records.

Texts are numbered in the order in which they came; a set of texts counts as one value. A condition
is decided once for each distinct value, and looked up for each record.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from components.parts.arrow import numbers
from components.parts.filters import ID, And, Declared, Filter, Not, Or, Range, Type

Value = str | float | Sequence[str] | None
"""A text, a number, a truth value, or a list of texts; null where a record has none."""
Attributes = Mapping[str, Sequence[Value]]
"""Attribute name to one value for each record of a call."""
Mask = NDArray[np.bool_]

_Key = str | tuple[str, ...]
_NUMERIC = ("number", "time", "bool")
_STORED = {"text": pa.string(), "texts": pa.list_(pa.string()), "bool": pa.bool_()}


class Column:
    """The values of one attribute, one for each of ``n`` rows; rows are only added at the end."""

    def __init__(self, kind: Type) -> None:
        self._kind = kind
        self._codes: dict[_Key, int] = {}
        self._holding: dict[str, list[int]] = {}
        self._rows = np.zeros(16, np.float64 if kind in _NUMERIC else np.int32)
        self._n = 0

    def rows(self) -> NDArray[np.generic]:
        """Numbers, or codes of values; null is NaN, or -1."""
        return self._rows[: self._n]

    def add(self, values: Sequence[Value]) -> None:
        """Add rows."""
        coded = self.coded(values)
        need = self._n + len(coded)
        if need > len(self._rows):
            # A first call fills the column to its size; later ones leave room for more.
            grown = np.zeros(max(need, 2 * self._n), self._rows.dtype)
            grown[: self._n] = self.rows()
            self._rows = grown
        self._rows[self._n : need] = coded
        self._n = need

    def coded(self, values: Sequence[Value]) -> NDArray[np.generic]:
        """Values as the rows hold them.

        Raises:
            ValueError: a value of another type.
        """
        if self._kind in _NUMERIC:
            wanted = (bool,) if self._kind == "bool" else (int, float)
            for value in values:
                if value is not None and type(value) not in wanted:
                    raise ValueError(f"got {type(value).__name__}, wanted a {self._kind}")
            return np.array([np.nan if v is None else v for v in values], dtype=np.float64)
        return np.fromiter((self._code(v) for v in values), dtype=np.int32, count=len(values))

    def fill(self, values: pa.Array) -> None:
        """Take stored values as the only rows."""
        if self._kind in _NUMERIC:
            self._rows = numbers(values, np.nan, np.float64)
        elif self._kind == "text":
            coded = values.dictionary_encode()
            self._codes = {text: i for i, text in enumerate(coded.dictionary.to_pylist())}
            self._rows = numbers(coded.indices, -1, np.int32)
        else:
            self._rows = self._sets(values)
        self._n = len(values)

    def _sets(self, values: pa.ListArray) -> NDArray[np.int32]:
        """Codes ``(n,)`` of stored sets of texts, of which only distinct ones are read."""
        lengths = numbers(pc.list_value_length(values), 0, np.int64)
        members = numbers(values.flatten().dictionary_encode().indices, -1, np.int32)
        starts, found = np.cumsum(lengths) - lengths, np.full(len(values), -1, np.int32)
        for length in set(lengths.tolist()) - {0}:
            rows = np.flatnonzero(lengths == length)
            alike = members[starts[rows][:, None] + np.arange(length)]
            _, first, which = np.unique(alike, axis=0, return_index=True, return_inverse=True)
            distinct = [values[row].as_py() for row in rows[first].tolist()]
            found[rows] = self.coded(distinct)[which.ravel()]
        return found

    def _code(self, value: Value) -> int:
        if value is None:
            return -1
        if self._kind == "text":
            if not isinstance(value, str):
                raise ValueError(f"got {type(value).__name__}, wanted a text")
            return self._numbered(value)
        if isinstance(value, str) or not isinstance(value, Iterable):
            raise ValueError(f"got {type(value).__name__}, wanted a list of texts")
        members = tuple(sorted(set(value)))
        return self._numbered(members) if members else -1

    def _numbered(self, value: _Key) -> int:
        code = self._codes.get(value)
        if code is None:
            members = (value,) if isinstance(value, str) else value
            for member in members:
                member.encode()  # a text that cannot be stored is refused now
            code = self._codes[value] = len(self._codes)
            if not isinstance(value, str):
                for member in members:
                    self._holding.setdefault(member, []).append(code)
        return code

    def among(self, values: tuple[str | float, ...]) -> Mask:
        """Which rows are, or hold, one of the values."""
        rows = self.rows()
        if self._kind in _NUMERIC:
            return np.isin(rows, np.array(values, dtype=np.float64))
        if self._kind == "text":
            codes = [self._codes[str(v)] for v in values if v in self._codes]
        else:
            codes = [code for v in values for code in self._holding.get(str(v), ())]
        if len(codes) == 1:
            return cast(Mask, rows == codes[0])
        wanted = np.zeros(len(self._codes) + 1, dtype=bool)  # the last is that of null, -1
        wanted[codes] = True
        return cast(Mask, wanted[rows])

    def between(self, bounds: Range) -> Mask:
        """Which rows lie between bounds."""
        rows = cast(NDArray[np.float64], self.rows())
        kept = ~np.isnan(rows)
        for bound, compare in (
            (bounds.at_least, np.greater_equal),
            (bounds.at_most, np.less_equal),
            (bounds.above, np.greater),
            (bounds.below, np.less),
        ):
            if bound is not None:
                kept &= compare(rows, bound)
        return kept

    def values(self, rows: NDArray[np.int64] | None = None) -> pa.Array:
        """The values of some rows, in the form in which they are stored."""
        held = self.rows() if rows is None else self.rows()[rows]
        if self._kind in _NUMERIC:
            found = pa.array(held, from_pandas=True)
            return found.cast(pa.bool_()) if self._kind == "bool" else found
        distinct = pa.array(list(self._codes), _STORED[self._kind])
        return distinct.take(pa.array(held, mask=np.asarray(held == -1)))

    def keep(self, rows: NDArray[np.int64]) -> None:
        """Keep these rows, in this order, and no others."""
        self._rows = self.rows()[rows]
        self._n = len(rows)


class Columns:
    """All attributes of ``n`` rows.

    Args:
        declared: their types.
        find: gives the rows of some ids, for the field ``id``.
    """

    def __init__(
        self, declared: Declared, find: Callable[[Sequence[str]], NDArray[np.int64]]
    ) -> None:
        self.declared, self._find = dict(declared), find
        self._columns = {name: Column(kind) for name, kind in declared.items()}
        self._n = 0

    def check(self, n: int, attributes: Attributes) -> None:
        """Check the values of ``n`` new records.

        Raises:
            ValueError: attributes that are not the declared ones, or values that do not suit them.
        """
        if sorted(attributes) != sorted(self._columns):
            raise ValueError(
                f"got the attributes {sorted(attributes)}, wanted {sorted(self._columns)}"
            )
        if wrong := [name for name, values in attributes.items() if len(values) != n]:
            raise ValueError(f"attributes {wrong}: wanted one value for each of {n} records")
        for name, values in attributes.items():
            try:
                self._columns[name].coded(values)
            except ValueError as error:
                raise ValueError(f"attribute {name!r}: {error}") from None

    def add(self, n: int, attributes: Attributes) -> None:
        """Add ``n`` rows of checked values."""
        for name, column in self._columns.items():
            column.add(attributes[name])
        self._n += n

    def fill(self, n: int, attributes: Mapping[str, pa.Array]) -> None:
        """Take stored values as the only ``n`` rows."""
        for name, column in self._columns.items():
            column.fill(attributes[name])
        self._n = n

    def mask(self, of: Filter) -> Mask:
        """Which rows ``(n,)`` satisfy a checked filter."""
        if isinstance(of, Not):
            return ~self.mask(of.of)
        if isinstance(of, And | Or):
            kept = np.full(self._n, isinstance(of, And))
            for part in of.of:
                if isinstance(of, And):
                    kept &= self.mask(part)
                else:
                    kept |= self.mask(part)
            return kept
        if isinstance(of, Range):
            return self._columns[of.field].between(of)
        if of.field == ID:
            kept = np.zeros(self._n, dtype=bool)
            kept[self._find(cast(tuple[str, ...], of.values))] = True
            return kept
        return self._columns[of.field].among(of.values)

    def values(self, rows: NDArray[np.int64] | None = None) -> dict[str, pa.Array]:
        """The values of some rows by attribute, in the form in which they are stored."""
        return {name: column.values(rows) for name, column in self._columns.items()}

    def keep(self, rows: NDArray[np.int64]) -> None:
        """Keep these rows, in this order, and no others."""
        for column in self._columns.values():
            column.keep(rows)
        self._n = len(rows)


def stored(kind: Type, values: Sequence[Value]) -> pa.Array:
    """Checked values in the form in which they are stored."""
    return pa.array(values, _STORED.get(kind, pa.float64()), from_pandas=True)
