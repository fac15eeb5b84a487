"""One browser, and one service with a store, for the tests of a file."""

from contextlib import contextmanager

import pytest

from components.prediction.predictor import Predictor
from serving.http.app import build
from serving.http.front import Front
from serving.http.tokens import Access, Guard
from serving.interface.limits import Limits
from serving.live.answers import Answers
from serving.live.live import Live
from serving.live.shared import Shared
from serving.live.unit import Unit
from serving.store.database import Database
from serving.store.tokens import Tokens
from tests import browser
from tests.packaged import packed


@pytest.fixture(scope="module")
def chromium():
    with browser.browser() as made:
        yield made


@pytest.fixture(scope="session")
def predictor():
    return Predictor.load(packed().package)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with Database(tmp_path_factory.mktemp("store") / "store.sqlite") as database:
        yield database


@contextmanager
def serving(predictor, store, access):
    limits = Limits.read(packed().package)
    shared = Shared.of(limits.serving, store)
    shared.kept.log.start()
    answers = Answers(predictor, limits=limits, name="tiny", version=7)
    guard = Guard(access, Tokens(store).valid)
    guard.refresh()
    with browser.serving(Front(Live(Unit(answers, shared, build)), shared, guard)) as url:
        yield url
    shared.kept.log.close()


@pytest.fixture(scope="module")
def url(predictor, store):
    with serving(predictor, store, Access.LOOPBACK) as url:
        yield url


@pytest.fixture(scope="module")
def guarded(predictor, store):
    """The URL of the service with tokens, one that may ask and judge, and one that may judge."""
    tokens = Tokens(store)
    both, judges = tokens.new("ada", ["predict", "feedback"]), tokens.new("bob", ["feedback"])
    with serving(predictor, store, Access.TOKENS) as url:
        yield url, both, judges


@pytest.fixture
def page(chromium, url):
    with browser.opened(chromium, url) as page:
        yield page
