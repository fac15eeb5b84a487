"""The service over a loaded package, in this process: what an HTTP client of a test asks."""

from fastapi.testclient import TestClient

from serving.http.front import Front
from serving.live.live import Live
from serving.live.shared import Shared
from serving.live.unit import Unit


def front(answers, guard=None):
    """The whole ASGI application of one unit."""
    shared = Shared.of(answers.limits.serving)
    return Front(Live(Unit(answers, shared)), shared, guard)


def client(answers, **options):
    """An HTTP client of it, a context manager."""
    return TestClient(front(answers), **options)
