"""What PostgreSQL's planner expects of a statement, which is not run.

Source: PostgreSQL 18 documentation, "EXPLAIN" and "Row Estimation Examples".
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler


class _Explain(sa.Executable, sa.ClauseElement):
    """``EXPLAIN`` of a statement."""

    inherit_cache = False

    def __init__(self, statement: sa.Select[Any]) -> None:
        self.statement = statement


@compiles(_Explain)
def _words(element: _Explain, compiler: SQLCompiler, **given: Any) -> str:  # noqa: ANN401
    return f"EXPLAIN (FORMAT JSON) {compiler.process(element.statement, **given)}"


def expected_rows(connection: sa.Connection, statement: sa.Select[Any]) -> int:
    """Number of rows that the planner expects of a statement, by the table's statistics."""
    found: Any = connection.execute(_Explain(statement)).scalar_one()
    return int(found[0]["Plan"]["Plan Rows"])
