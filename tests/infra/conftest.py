"""A faulty API server for the tests of the room, and calls beside a test."""

import pytest

from infra import transport, watching
from tests.infra.fake_api import serving
from tests.infra.runs import Background


@pytest.fixture
def api(tmp_path, monkeypatch):
    monkeypatch.setattr(transport, "READ_S", 1.0)
    monkeypatch.setattr(watching, "_FIRST_S", 0.2)
    monkeypatch.setattr(watching, "_AGAIN_S", 0.2)
    with serving(tmp_path, monkeypatch) as api:
        api.second = 0.2
        yield api


@pytest.fixture
def background():
    return Background()
