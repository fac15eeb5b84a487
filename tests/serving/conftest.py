"""One Bento and one live server for all tests of this room."""

import socket

import pytest

from components.core.refs import digest_folder
from serving.bento import build
from serving.client import Client
from serving.process import start, stop
from tests.packaged import packed


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def bento(tmp_path_factory):
    # A hidden folder, as the state folder is one.
    return build(packed().package, tmp_path_factory.mktemp("bento") / ".concord" / "out")


@pytest.fixture(scope="session")
def endpoint(bento, tmp_path_factory):
    log = tmp_path_factory.mktemp("log") / "serve.log"
    endpoint = start(
        bento, host="localhost", port=free_port(), version=3, log=log,
        digest=digest_folder(packed().package),
    )  # fmt: skip
    yield endpoint
    stop(endpoint)


@pytest.fixture
def client(endpoint):
    with Client(endpoint.url) as client:
        yield client
