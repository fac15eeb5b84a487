"""Connections to the PostgreSQL of an index."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import sqlalchemy as sa

from components.core.errors import MachineError
from components.parts.index._pgvector import register


@cache
def engine(url: str) -> sa.Engine:
    """The connections to a database, which all its tables share."""
    address = sa.make_url(url).set(drivername="postgresql+psycopg")
    made = sa.create_engine(address, pool_pre_ping=True)
    sa.event.listen(made, "connect", _begin_session)
    return made


def _begin_session(connection: Any, _: object) -> None:  # noqa: ANN401 - of psycopg
    register(connection)
    # A plan for any value of a filter cannot know how few records a value leaves.
    connection.execute("SET plan_cache_mode = force_custom_plan")
    connection.commit()


@contextmanager
def connected(to: sa.Engine) -> Iterator[sa.Connection]:
    """One transaction.

    Raises:
        MachineError: the server does not answer.
    """
    try:
        with to.begin() as connection:
            yield connection
    except sa.exc.OperationalError as error:
        raise MachineError(
            f"the database of the index does not answer: {first_line(error)}"
        ) from error


def first_line(error: sa.exc.DBAPIError) -> str:
    """The first line of what the server answered."""
    return str(error.orig).strip().partition("\n")[0]
