"""Submit, cancel and result, against a small, deliberately faulty API server over HTTP."""

import time

import pytest

from components.core.errors import UserError
from infra import failures
from tests.infra.fake_api import JOBS
from tests.infra.runs import NAME, Run, add_pod, complete


def creations(api):
    return sum(method == "POST" and path == JOBS for method, path, _ in api.seen)


def test_a_second_submit_finds_the_first_job(api):
    uid, attached = Run().submit()
    assert not attached
    assert Run().submit() == (uid, True)
    assert len(api.objects["jobs"]) == 1


@pytest.mark.parametrize("status", [500, 504, 0])
def test_an_answer_lost_after_the_job_was_made_neither_fails_nor_makes_a_second(api, status):
    api.fail(status, method="POST", path=JOBS, after=True)
    uid, attached = Run().submit()
    assert not attached
    assert api.objects["jobs"][NAME]["metadata"]["uid"] == uid


def test_a_failed_job_is_replaced(api):
    first, _ = Run().submit()
    api.condition(NAME, "Failed", reason="BackoffLimitExceeded")
    second, attached = Run().submit()
    assert second != first
    assert not attached


def test_a_complete_job_is_used_if_its_result_is_there_and_replaced_if_not(api):
    uid, _ = Run().submit()
    complete(api, uid)
    assert Run().submit(usable=True) == (uid, True)
    assert Run().submit(usable=False)[0] != uid


def test_a_job_that_writes_to_another_exchange_is_not_taken_for_ours(api):
    Run().submit()
    elsewhere = [{"name": "exchange", "mount": "/exchange", "claim": "another"}]
    with pytest.raises(failures.Refused, match="writes to another exchange"):
        Run(volumes=elsewhere).submit()
    assert len(api.objects["jobs"]) == 1


def test_a_job_that_is_being_deleted_is_waited_for(api, background):
    uid, _ = Run().submit()
    job = api.objects["jobs"][NAME]
    api.put("jobs", NAME, job | {"metadata": job["metadata"] | {"deletionTimestamp": "now"}})
    api.held = True
    new = background.submit(Run().submit)
    time.sleep(0.5)
    assert not new.done()
    api.held = False
    api.delete("jobs", NAME)
    assert new.result(10)[0] != uid


def test_a_quota_on_jobs_is_named(api):
    api.fail(
        403,
        99,
        method="POST",
        body={"message": "jobs is forbidden: exceeded quota: q, requested: count/jobs.batch=1"},
    )
    with pytest.raises(failures.QuotaExceeded, match=r"count/jobs\.batch=1"):
        Run().submit()


def test_what_the_server_calls_invalid_is_not_tried_again(api):
    api.fail(422, method="POST", body={"message": "spec.template: Invalid value"})
    with pytest.raises(failures.Refused, match="Invalid value"):
        Run().submit()
    assert creations(api) == 1


def test_a_service_of_an_earlier_job_is_replaced(api):
    first, _ = Run(nodes=2).submit()
    api.condition(NAME, "Failed")
    second, _ = Run(nodes=2).submit()
    assert first != second
    assert api.objects["services"][NAME]["metadata"]["ownerReferences"][0]["uid"] == second


def test_no_kubeconfig_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(UserError, match="make cluster"):
        Run()


@pytest.mark.usefixtures("api")
def test_an_unknown_context_is_named():
    with pytest.raises(UserError, match="'elsewhere'"):
        Run(context="elsewhere")


def test_cancel_deletes_only_the_job_that_was_meant(api):
    run = Run()
    uid, _ = run.submit()
    run.cluster.cancel(NAME, "another")
    assert NAME in api.objects["jobs"]
    add_pod(api, uid)
    run.cluster.cancel(NAME, uid)
    assert not api.objects["jobs"]
    assert not api.objects["pods"]


def test_result_says_what_became_of_a_job(api):
    run = Run()
    assert run.cluster.result(NAME) is None
    uid, _ = run.submit()
    assert run.cluster.result(NAME) is None
    complete(api, uid)
    found = run.cluster.result(NAME)
    assert found is not None
    assert found.attempts == {"uid-p-1": 0}
