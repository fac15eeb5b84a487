"""Pods that do not start: which are waited for, and which never will."""

import time

import pytest

from infra import failures, pending
from tests.infra.runs import NAME, Run, add_pod, complete

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
