"""Leases: whoever removes a Job removes it from nobody, in whatever order two runs meet."""

import threading

import pytest

from components.exchange.exchange import JOBS, Exchange
from flows.places.lease import CLOSING, Lease

JOB = "teach-1"


@pytest.fixture
def exchange(tmp_path):
    return Exchange(str(tmp_path / "exchange"))


@pytest.fixture
def lease(exchange, tmp_path):
    def made(name, **options):
        (tmp_path / name).mkdir(exist_ok=True)
        return Lease(exchange, JOB, tmp_path / name, **options)

    return made


def held(exchange):
    return len(exchange.names(f"{JOBS}/{JOB}/leases"))


def test_only_the_last_of_two_may_remove(exchange, lease):
    a, b = lease("a"), lease("b")
    a.take()
    b.take()
    with a.released() as last:
        assert not last
    with b.released() as last:
        assert last
    assert held(exchange) == 0
    assert not exchange.names(CLOSING)


def test_a_run_that_comes_during_a_removal_waits_and_then_holds_its_lease(exchange, lease):
    a, b = lease("a"), lease("b")
    a.take()
    later = threading.Thread(target=b.take)
    with a.released() as last:
        assert last
        later.start()
        later.join(0.3)
        assert later.is_alive()
        exchange.remove_job(JOB)
    later.join(10)
    assert not later.is_alive()
    assert held(exchange) == 1


def test_a_lease_that_a_removal_took_with_it_is_written_again(exchange, lease, monkeypatch):
    """The removal ends between the write of the lease and the look for announcements."""
    b, names, gone = lease("b"), exchange.names, []

    def names_after_a_removal(relative):
        if not gone:
            gone.append(relative)
            exchange.remove_job(JOB)
        return names(relative)

    monkeypatch.setattr(exchange, "names", names_after_a_removal)
    b.take()
    assert gone
    assert held(exchange) == 1


def test_a_removal_that_was_cut_off_holds_nobody_up_for_ever(exchange, lease):
    exchange.write_json(f"{CLOSING}/{JOB}.dead.json", {})
    exchange.write_json(f"{CLOSING}/other-job.dead.json", {})
    slept = []
    lease("b", sleep=slept.append).take()
    assert 60 < sum(slept) < 600
    assert held(exchange) == 1
    assert exchange.names(CLOSING) == ["other-job.dead.json"]
