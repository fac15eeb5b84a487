"""One browser and one service for the tests of a file."""

import pytest

from components.prediction.predictor import Predictor
from serving.http.limits import Limits
from serving.live.answers import Answers
from tests import browser, served
from tests.packaged import packed
from tests.serving.ui.contract import stand_in


@pytest.fixture(scope="module")
def chromium():
    with browser.browser() as made:
        yield made


@pytest.fixture(scope="session")
def predictor():
    return Predictor.load(packed().package)


@pytest.fixture(scope="session")
def service(predictor):
    limits = Limits.read(packed().package)
    return Answers(predictor, limits=limits, name="tiny", version=7)


@pytest.fixture(scope="module")
def url(service):
    with browser.serving(served.front(service)) as url:
        yield url


@pytest.fixture
def page(chromium, url):
    with browser.opened(chromium, url) as page:
        stand_in(page, url)
        yield page
