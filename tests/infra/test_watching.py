"""A Job is followed to its end, however the watch is disturbed."""

import threading
import time

import pytest

from infra import failures, watching
from tests.infra.fake_api import until
from tests.infra.runs import NAME, Run, add_pod, complete, ended


def test_success_names_the_attempts(api, background):
    run = Run()
    uid, _ = run.submit()
    add_pod(api, uid, "Pending")
    future = background.submit(run.watch, uid)
    until(lambda: api.watching)
    add_pod(api, uid, "Succeeded", "p-2", state=ended(0), index=1)
    complete(api, uid)
    outcome = future.result(10)
    assert outcome.attempts == {"uid-p-1": 0, "uid-p-2": 1}


def gone(api):
    api.tell({"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "too old"}})


@pytest.mark.parametrize("disturb", ["cut", "410 in the stream", "410", "500", "429", "403", "401"])
def test_a_disturbed_watch_changes_nothing(api, background, disturb):
    run = Run()
    uid, _ = run.submit()
    add_pod(api, uid)
    future = background.submit(run.watch, uid)
    until(lambda: api.watching)
    if disturb == "401":
        api.token = "other"  # noqa: S105
        threading.Timer(0.5, setattr, (api, "token", "good")).start()
    elif disturb.isdecimal():
        api.fail(int(disturb), 2, method="GET")
    (gone if "stream" in disturb else type(api).drop_watches)(api)
    complete(api, uid)
    assert future.result(20).uid == uid


def test_an_end_while_nobody_watched_is_seen(api, background, monkeypatch):
    monkeypatch.setattr(watching, "STEADY_S", 1.0)
    run = Run()
    uid, _ = run.submit()
    add_pod(api, uid)
    future = background.submit(run.watch, uid)
    until(lambda: api.watching)
    api.silent = True
    complete(api, uid)
    assert future.result(15).uid == uid


def test_the_steady_state_costs_at_most_a_request_in_five_seconds(api, background):
    run = Run()
    uid, _ = run.submit()
    add_pod(api, uid)
    future = background.submit(run.watch, uid)
    until(lambda: api.watching)
    time.sleep(1.5)  # past the first look and the beginning of the logs
    per_cycle = {"list of the Job": 1, "list of its pods": 1, "watch": 1}
    before = run.cluster.transport.requests
    time.sleep(2)
    assert (
        run.cluster.transport.requests - before <= 1 + 1
    )  # the pod's log, which the fake ends at once, comes again
    assert sum(per_cycle.values()) / watching.STEADY_S <= 1 / 5
    complete(api, uid)
    future.result(10)


def test_a_deleted_job_is_an_error_of_its_own(api, background):
    run = Run()
    uid, _ = run.submit()
    future = background.submit(run.watch, uid)
    until(lambda: api.watching)
    api.delete("jobs", NAME)
    with pytest.raises(failures.JobDeleted, match="not you"):
        future.result(10)
