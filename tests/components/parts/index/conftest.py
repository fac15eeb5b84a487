"""A database with pgvector for the index family of PostgreSQL."""

import pytest

from components.parts.index import _sql
from tests.postgres import postgres


@pytest.fixture(scope="module")
def database():
    server = postgres()
    url = server.url(server.database())
    yield url
    _sql.engine(url).dispose()
