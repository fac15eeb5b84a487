"""A small data set encoded by one process, and in parts."""

import pytest

from components.exchange.exchange import Exchange
from components.shards.accounting import results
from tests import tiny
from tests.components.shards.in_parts import JOB, RECORDS, encode_plan, run_all


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A data set with media files, its accepted records, and the results of one process."""
    return tiny.encoded(tmp_path_factory.mktemp("shards"), RECORDS)


@pytest.fixture(scope="session")
def whole(data, tmp_path_factory):
    """All three parts, run once."""
    place = tmp_path_factory.mktemp("whole")
    exchange = Exchange(str(place / "exchange"))
    spec = encode_plan(data, 3).cut(exchange, place / "scratch")
    run_all(spec, exchange, place)
    return spec, exchange, results(exchange, JOB, {}, place / "scratch")
