"""Why a Job failed, in the words of its pods."""

import pytest

from infra import failures
from tests.infra.fake_api import until
from tests.infra.runs import NAME, Run, add_pod, complete, ended


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (64, failures.UserMistake),
        (65, failures.UserMistake),
        (69, failures.PreflightFailed),
        (70, failures.UserBug),
        (1, failures.RetriesExhausted),
    ],
)
def test_an_exit_code_says_what_failed_with_the_pods_own_message(api, code, kind):
    run = Run()
    uid, _ = run.submit()
    api.logs["p-1"] = [
        "2026-01-01T00:00:00.000000001Z first line",
        "2026-01-01T00:00:00.000000002Z last line",
    ]
    add_pod(api, uid, "Failed", state=ended(code, "ValueError: no"))
    api.condition(NAME, "Failed", reason="PodFailurePolicy")
    with pytest.raises(failures.JobFailed, match="ValueError: no") as caught:
        run.watch(uid)
    assert type(caught.value) is kind
    assert caught.value.log == ("first line", "last line")


def test_out_of_memory_is_named_and_cancelled_before_kubernetes_tries_again(api):
    run = Run()
    uid, _ = run.submit()
    add_pod(api, uid, "Failed", state=ended(137, reason="OOMKilled"))
    with pytest.raises(failures.OutOfMemory, match="limit of 4Gi"):
        run.watch(uid)
    assert NAME not in api.objects["jobs"]


def test_the_time_budget_is_named(api):
    run = Run(time_budget_s=77)
    uid, _ = run.submit()
    api.condition(NAME, "Failed", reason="DeadlineExceeded")
    with pytest.raises(failures.TimeBudgetExceeded, match="77 s"):
        run.watch(uid)


def test_a_disruption_is_told_and_not_blamed(api, background):
    run = Run()
    uid, _ = run.submit()
    taken = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "PreemptionByScheduler",
        "message": "m",
    }
    add_pod(api, uid, "Failed", "p-0", state=ended(70, "torn"), conditions=[taken])
    add_pod(api, uid, "Running")
    future = background.submit(run.watch, uid)
    until(lambda: any("PreemptionByScheduler" in words for words in run.said))
    assert not future.done(), "the exit code of a disrupted pod decides nothing"
    complete(api, uid)
    assert future.result(10).name == NAME
