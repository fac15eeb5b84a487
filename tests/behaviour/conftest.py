"""What several kinds of behaviour are tried on."""

import pytest

from tests import evaluated


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """A small evaluated model."""
    return evaluated.prepare(tmp_path_factory.mktemp("evaluated"), n=240)
