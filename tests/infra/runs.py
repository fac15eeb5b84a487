"""A run's view of a cluster, and what happens in the cluster meanwhile."""

import threading
from concurrent.futures import Future

from components.config.trainer import KubernetesTrainer
from infra.cluster import Cluster
from infra.manifests import Work
from tests.infra.fake_api import NAMESPACE

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
    """Put a pod of the Job with this UID into the cluster."""
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
    """The state of a container that has ended."""
    return {
        "terminated": {
            "exitCode": code,
            "message": message,
            "reason": reason,
            "finishedAt": "2026-01-01T00:00:00Z",
        }
    }


def complete(api, uid):
    """Let the Job succeed."""
    add_pod(api, uid, "Succeeded", state=ended(0, reason="Completed"))
    api.condition(NAME, "Complete")
