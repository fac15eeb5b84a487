"""Submit, watch, logs and cancel against a small, deliberately faulty API server over HTTP."""

import threading
import time
from concurrent.futures import Future

import pytest

from components.config.trainer import KubernetesTrainer
from components.core.errors import UserError
from infra import failures, pending, transport, watching
from infra.cluster import Cluster
from infra.manifests import Work
from tests.infra.fake_api import JOBS, NAMESPACE, serving, until, write_kubeconfig

NAME = "concord-train-0123456789ab"
WORK = Work(
    name=NAME,
    task="train",
    run="r",
    config="/exchange/jobs/j/spec.json",
    out="/exchange/jobs/j",
    code="c",
)
BLOCK = {
    "where": "kubernetes",
    "image": "i",
    "namespace": NAMESPACE,
    "exchange": {"uri": "/exchange"},
    "volumes": [{"name": "exchange", "mount": "/exchange", "claim": "exchange"}],
    "grace_period_s": 1,
}


@pytest.fixture
def api(tmp_path, monkeypatch):
    monkeypatch.setattr(transport, "READ_S", 1.0)
    monkeypatch.setattr(watching, "_FIRST_S", 0.2)
    monkeypatch.setattr(watching, "_AGAIN_S", 0.2)
    with serving(tmp_path, monkeypatch) as api:
        api.second = 0.2
        yield api


class Run:
    """A Cluster and the messages it sent."""

    def __init__(self, **changes):
        self.said, self.lines = [], []
        self.cluster = Cluster(
            KubernetesTrainer.model_validate(BLOCK | changes), say=self.said.append
        )

    def submit(self, usable=True):
        return self.cluster.submit(WORK, usable=lambda _: usable)

    def watch(self, uid):
        return self.cluster.watch(NAME, uid, take=self.lines.append)


class Background:
    """One call in a daemon thread, which does not block a failing test."""

    def submit(self, call, *arguments):
        future = Future()

        def run():
            try:
                future.set_result(call(*arguments))
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=run, daemon=True).start()
        return future


@pytest.fixture
def background():
    return Background()


def add_pod(
    api,
    uid,
    phase="Running",
    name="p-1",
    *,
    state=None,
    index=None,
    conditions=(),
    spec=None,
    **metadata,
):
    annotations = {} if index is None else {"batch.kubernetes.io/job-completion-index": str(index)}
    container = {"name": "train", "state": state or {"running": {}}}
    if phase == "Pending" and state is None:
        container["state"] = {}
    resources = {
        "requests": {"nvidia.com/gpu": "2"},
        "limits": {"memory": "4Gi", "nvidia.com/gpu": "2"},
    }
    return api.put(
        "pods",
        name,
        {
            "metadata": {
                "labels": {"concord/job": NAME},
                "annotations": annotations,
                "ownerReferences": [{"uid": uid}],
                **metadata,
            },
            "spec": {
                "nodeName": "node-1",
                "containers": [{"name": "train", "image": "i", "resources": resources}],
                **(spec or {}),
            },
            "status": {
                "phase": phase,
                "containerStatuses": [container],
                "conditions": list(conditions),
            },
        },
    )


def ended(code, message="", reason="Error"):
    return {
        "terminated": {
            "exitCode": code,
            "message": message,
            "reason": reason,
            "finishedAt": "2026-01-01T00:00:00Z",
        }
    }


def complete(api, uid):
    add_pod(api, uid, "Succeeded", state=ended(0, reason="Completed"))
    api.condition(NAME, "Complete")


def creations(api):
    return sum(method == "POST" and path == JOBS for method, path, _ in api.seen)


# --- submit


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


# --- requests


def test_throttling_is_obeyed(api):
    api.fail(429, 2, headers={"Retry-After": "1"})
    start = time.monotonic()
    Run().submit()
    assert time.monotonic() - start >= 1.4  # two waits of a second, less the jitter


def test_an_expired_token_is_read_again_from_the_kubeconfig(api, tmp_path):
    run = Run()
    api.token = "new"  # noqa: S105
    text = (tmp_path / "kubeconfig").read_text()
    (tmp_path / "kubeconfig").write_text(text.replace("token: good", "token: new"))
    run.submit()
    assert NAME in api.objects["jobs"]


def test_an_outage_beyond_the_budget_is_told_and_the_job_lives_on(api):
    run = Run()
    run.cluster.transport._budget = 0.5
    uid, _ = run.submit()
    api.fail(500, 99)
    with pytest.raises(transport.Unreachable, match="keep running"):
        run.watch(uid)
    assert NAME in api.objects["jobs"]


def test_no_kubeconfig_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(UserError, match="make cluster"):
        Run()


@pytest.mark.usefixtures("api")
def test_an_unknown_context_is_named():
    with pytest.raises(UserError, match="'elsewhere'"):
        Run(context="elsewhere")


# --- watch


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


# --- pending

UNSCHEDULABLE = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/1: Insufficient nvidia.com/gpu",
}


def node(api, gpus, **labels):
    api.put(
        "nodes",
        "node-1",
        {"metadata": {"labels": labels}, "status": {"allocatable": {"nvidia.com/gpu": gpus}}},
    )


def test_a_request_that_no_node_can_ever_meet_is_told_soon(api, monkeypatch):
    run = Run(gpus=2)
    uid, _ = run.submit()
    node(api, "1")
    add_pod(api, uid, "Pending", conditions=[UNSCHEDULABLE])
    assert pending.SCALING_S < 20
    monkeypatch.setattr(pending, "SCALING_S", 0.3)
    with pytest.raises(
        failures.Unschedulable, match=r"nvidia.com/gpu: wanted 2, the largest node has 1"
    ):
        run.watch(uid)
    assert NAME not in api.objects["jobs"]


def test_a_kind_of_gpu_that_no_node_has_is_told_soon(api, monkeypatch):
    monkeypatch.setattr(pending, "SCALING_S", 0.3)
    run = Run(gpus=2, gpu_product="H100")
    uid, _ = run.submit()
    node(api, "2", **{"nvidia.com/gpu.product": "T4"})
    asked = api.objects["jobs"][NAME]["spec"]["template"]["spec"]
    add_pod(api, uid, "Pending", conditions=[UNSCHEDULABLE], spec={"affinity": asked["affinity"]})
    with pytest.raises(
        failures.Unschedulable, match=r"wanted one with the labels nvidia.com/gpu.product In H100"
    ):
        run.watch(uid)


@pytest.mark.parametrize("readable", [True, False])
def test_a_busy_gpu_is_waited_for(api, readable):
    run = Run(gpus=2, pending_timeout_s=1)
    uid, _ = run.submit()
    node(api, "2")
    api.nodes_readable = readable
    add_pod(api, uid, "Pending", conditions=[UNSCHEDULABLE])
    with pytest.raises(failures.Unschedulable, match="pending_timeout_s is 1") as caught:
        run.watch(uid)
    assert ("may not read nodes" in str(caught.value)) is not readable


def test_an_image_that_is_not_there_is_told_at_once(api):
    run = Run()
    uid, _ = run.submit()
    add_pod(
        api,
        uid,
        "Pending",
        state={"waiting": {"reason": "ErrImageNeverPull", "message": "not present"}},
    )
    with pytest.raises(failures.ImagePullFailed, match="not present"):
        run.watch(uid)


@pytest.mark.parametrize(("limited", "hopeless"), [("4Gi", True), ("16Gi", False)])
def test_a_quota_that_a_pod_alone_exceeds_is_told_at_once_and_a_full_one_waited_for(
    api, limited, hopeless
):
    run = Run(pending_timeout_s=60 if hopeless else 1)
    uid, _ = run.submit()
    said = (
        "exceeded quota: q, requested: requests.memory=8Gi, "
        f"used: requests.memory=10Gi, limited: requests.memory={limited}"
    )
    api.put(
        "events",
        "e",
        {
            "involvedObject": {"uid": uid},
            "reason": "FailedCreate",
            "type": "Warning",
            "message": said,
        },
    )
    with pytest.raises(failures.QuotaExceeded, match="requested") as caught:
        run.watch(uid)
    assert ("pending_timeout_s" in str(caught.value)) is not hopeless


def test_a_suspended_job_waits_for_its_turn_however_long(api, background):
    run = Run(queue="q", pending_timeout_s=1)
    uid, _ = run.submit()
    future = background.submit(run.watch, uid)
    time.sleep(1.5)
    assert not future.done()
    assert any("queue q" in words for words in run.said)
    job = api.objects["jobs"][NAME]
    api.put("jobs", NAME, job | {"spec": job["spec"] | {"suspend": False}})
    complete(api, uid)
    future.result(10)


# --- logs and cancel


def test_lines_come_once_even_if_their_stream_breaks(api, background):
    run = Run()
    uid, _ = run.submit()
    stamps = [f"2026-01-01T00:00:0{i // 3}.00000000{i}Z line {i}" for i in range(8)]
    api.logs["p-1"] = [*stamps[:5], None, *stamps[5:]]
    add_pod(api, uid)
    future = background.submit(run.watch, uid)
    until(lambda: "line 7" in run.lines)
    complete(api, uid)
    future.result(10)
    assert run.lines == [f"line {i}" for i in range(8)]


def test_lines_of_indexed_pods_say_whose_they_are(api):
    run = Run()
    uid, _ = run.submit()
    api.logs["p-1"] = ["2026-01-01T00:00:00.000000001Z hello"]
    add_pod(api, uid, "Succeeded", state=ended(0), index=3)
    api.condition(NAME, "Complete")
    run.watch(uid)
    assert run.lines == ["[3] hello"]


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


@pytest.mark.usefixtures("api")
def test_the_token_is_no_part_of_any_error(tmp_path):
    write_kubeconfig(tmp_path / "kubeconfig", "http://127.0.0.1:1", "very-secret")
    run = Run()
    run.cluster.transport._budget = 0.3
    with pytest.raises(transport.Unreachable) as caught:
        run.submit()
    assert "very-secret" not in str(caught.value)
