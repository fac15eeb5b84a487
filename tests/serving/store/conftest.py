"""A store of either database, opened as often as a test wants, closed at its end."""

from contextlib import ExitStack

import pytest

from serving.store.database import Database
from tests.postgres import postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def opened(request, tmp_path):
    """A function that opens the one store of the test once more."""
    sqlite = request.param == "sqlite"
    place = tmp_path / "home" / "store.sqlite" if sqlite else postgres().schema()
    with ExitStack() as stack:
        yield lambda: stack.enter_context(Database(place))


class Clock:
    """Seconds since 1970 that a test moves on."""

    now = 1_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()
