"""One Prefect server for all tests of the flow."""

import pytest

from components.home import Home
from flows import engines


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory):
    """A real server on a free port; Prefect itself is imported only after its address is known."""
    with engines.started(Home(root=tmp_path_factory.mktemp("engines"))) as running:
        running.wait_for_prefect()
        yield running
