"""Filters as SQL; null counts as false, also below a `Not`."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from components.parts.filters import ID, And, Declared, Filter, In, Not, Or


class Where:
    """The conditions on the columns of one table.

    Args:
        table: with a column ``id``.
        fields: attribute to the name of its column.
        declared: the attributes and their types.
    """

    def __init__(self, table: sa.Table, fields: Mapping[str, str], declared: Declared) -> None:
        self._table, self._fields, self._declared = table, fields, declared

    def one_of(self, ids: Sequence[str]) -> sa.ColumnElement[bool]:
        """Records of these ids."""
        # PostgreSQL holds no text with a zero character, and refuses to be asked for one.
        given = [record for record in ids if "\0" not in record]
        return self._table.c.id == sa.any_(sa.literal(given, pg.ARRAY(sa.Text)))

    def satisfies(self, of: Filter) -> sa.ColumnElement[bool]:
        """Records that satisfy a checked filter."""
        if isinstance(of, Not):
            return self.satisfies(of.of).is_not(True)
        if isinstance(of, And):
            return sa.and_(sa.true(), *(self.satisfies(part) for part in of.of))
        if isinstance(of, Or):
            return sa.or_(sa.false(), *(self.satisfies(part) for part in of.of))
        if isinstance(of, In):
            return self._among(of)
        column = self._column(of.field)
        bounds = (
            (of.at_least, column.__ge__),
            (of.at_most, column.__le__),
            (of.above, column.__gt__),
            (of.below, column.__lt__),
        )
        return sa.and_(*(compare(bound) for bound, compare in bounds if bound is not None))

    def _among(self, of: In) -> sa.ColumnElement[bool]:
        if of.field == ID:
            return self.one_of([str(value) for value in of.values])
        column = self._column(of.field)
        values = [v for v in of.values if not (isinstance(v, str) and "\0" in v)]
        if self._declared[of.field] == "texts":
            return column.op("&&", return_type=sa.Boolean())(sa.literal(values, column.type))
        return column == sa.any_(sa.literal(values, pg.ARRAY(column.type)))

    def _column(self, field: str) -> sa.Column[Any]:
        return self._table.c[self._fields[field]]
