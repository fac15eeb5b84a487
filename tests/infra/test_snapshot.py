"""A Job's state, why it waits and when to give up: pure functions of the API's objects."""

import pytest

from components.config.trainer import KubernetesTrainer
from infra.pending import diagnose
from infra.snapshot import Pod, Snapshot
from infra.verdict import culprit, endless

CONFIG = KubernetesTrainer.model_validate(
    {
        "where": "kubernetes",
        "image": "train",
        "exchange": {"uri": "s3://b/x"},
        "nodes": 2,
        "retries": 0,
    }
)
PARTS = {"completionMode": "Indexed", "completions": 3, "backoffLimitPerIndex": 1}


def pod(phase, *, index=0, code=None, ended="", disrupted=False, made="2026-01-01T10:00:00Z"):
    end = {} if code is None else {"terminated": {"exitCode": code, "finishedAt": ended}}
    conditions = (
        [{"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}]
        if disrupted
        else []
    )
    status = {
        "phase": phase,
        "conditions": conditions,
        "containerStatuses": [{"name": "train", "state": end}],
    }
    return Pod(
        {
            "metadata": {
                "name": f"p{index}",
                "uid": f"u{index}-{ended}",
                "creationTimestamp": made,
            },
            "spec": {"containers": [{"image": "train"}]},
            "status": status,
        }
    )


def job(*conditions, **spec):
    return {
        "metadata": {"name": "j", "uid": "j"},
        "spec": spec,
        "status": {"conditions": [{"type": kind, "status": "True"} for kind in conditions]},
    }


def test_a_job_whose_success_is_decided_is_done_though_a_dead_node_holds_a_pod():
    assert (
        Snapshot(
            job=job("SuccessCriteriaMet"), pods=[pod("Succeeded"), pod("Running", index=1)]
        ).phase
        == "succeeded"
    )


@pytest.mark.parametrize(
    ("pods", "phase"),
    [
        ([pod("Succeeded"), pod("Pending", index=1), pod("Running", index=2)], "running"),
        ([pod("Succeeded"), pod("Pending", index=1), pod("Succeeded", index=2)], "pending"),
        ([pod("Succeeded"), pod("Failed", index=1, code=1)], "running"),
    ],
    ids=["others are at work", "the last part cannot start", "between two tries"],
)
def test_a_part_that_cannot_start_is_pending_once_no_other_is_at_work(pods, phase):
    assert Snapshot(job=job(**PARTS), pods=pods).phase == phase


def test_an_event_from_before_the_last_pod_is_no_reason_any_more():
    old = {
        "reason": "FailedCreate",
        "message": "webhook down",
        "lastTimestamp": "2026-01-01T09:59:00Z",
    }
    found = diagnose(
        Snapshot(job=job(), pods=[pod("Failed", code=1, ended="2026-01-01T10:20:00Z")]), [old], None
    )
    assert "waits before the next try" in found.what
    assert not found.counts
    new = {**old, "lastTimestamp": "2026-01-01T10:21:00Z"}
    assert (
        "webhook down"
        in diagnose(Snapshot(job=job(), pods=[pod("Failed", code=1)]), [new], None).what
    )


def test_the_cause_is_blamed_not_the_peer_that_ended_after_it():
    bug, peer = (
        pod("Failed", code=70, ended="2026-01-01T10:00:01Z"),
        pod("Failed", index=1, code=75, ended="2026-01-01T10:00:02Z"),
    )
    assert culprit(Snapshot(job=job(), pods=[bug, peer])) is bug


def test_pods_that_lose_each_other_without_end_are_given_up_and_those_of_disruptions_are_not():
    lost = [pod("Failed", index=i, code=75, ended=f"2026-01-01T10:00:{i:02}Z") for i in range(12)]
    assert "lost a peer" in str(endless(Snapshot(job=job(), pods=lost), CONFIG, log=[]))
    assert endless(Snapshot(job=job(), pods=lost[:10]), CONFIG, log=[]) is None
    disrupted = [
        pod("Failed", index=i, code=75, ended=f"2026-01-01T11:00:{i:02}Z", disrupted=True)
        for i in range(6)
    ]
    assert endless(Snapshot(job=job(), pods=lost + disrupted), CONFIG, log=[]) is None
