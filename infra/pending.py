"""Why a pod does not start, from its conditions, its container and events; pure functions.

Where waiting can help (a busy GPU, a quota that others use) the Job waits up to
``trainer.pending_timeout_s``; otherwise it fails at once. The scheduler reports ``Insufficient
nvidia.com/gpu`` in both cases: only the nodes distinguish them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from infra.failures import (
    CannotStart,
    ImagePullFailed,
    JobFailed,
    QuotaExceeded,
    Refused,
    Unschedulable,
)
from infra.fitting import never_fits, over_quota
from infra.snapshot import Json, Pod, Snapshot

_IMAGE = {
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
}
_CONFIG = {"CreateContainerConfigError", "CreateContainerError"}
_FINAL_AT_ONCE = {"InvalidImageName", "ErrImageNeverPull"}
_SCALING = {
    "TriggeredScaleUp",
    "Nominated",
}  # cluster-autoscaler and Karpenter: a node is on its way
SCALING_S = 15.0
"""Time for an autoscaler to announce a node."""


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """Why a Job waits.

    Attributes:
        kind: the exception that is raised if waiting ends.
        what: the reason in one sentence.
        remedy: what to do.
        hopeless: waiting does not help.
        final_after_s: seconds after which waiting does not help; None: after the pending time-out.
        counts: whether the time counts towards the pending time-out.
    """

    kind: type[JobFailed]
    what: str
    remedy: str
    hopeless: bool = False
    final_after_s: float | None = None
    counts: bool = True


def diagnose(snapshot: Snapshot, events: Sequence[Json], nodes: Sequence[Json] | None) -> Diagnosis:
    """Why the pods of a Job have not started.

    Args:
        snapshot: a Job that is pending.
        events: of its first waiting pod, or of the Job where it has no pod.
        nodes: all nodes of the cluster; None where they may not be read.
    """
    pod = next(snapshot.waiting(), None)
    if pod is None:
        return _no_pod(snapshot, events)
    if (reason := pod.waiting.get("reason", "")) in _IMAGE | _CONFIG:
        return _container(pod, reason, events)
    scheduled = pod.condition("PodScheduled")
    if scheduled.get("status") == "False":
        return _unscheduled(pod, str(scheduled.get("message", "")), events, nodes)
    warning = _last_warning(events)
    return Diagnosis(
        kind=CannotStart,
        what=f"pod {pod.name} is starting on node {pod.node or 'none'}"
        + (f": {warning}" if warning else ""),
        remedy=f"see `kubectl describe pod {pod.name}`; "
        "missing volumes and secrets are the usual cause",
    )


def _no_pod(snapshot: Snapshot, events: Sequence[Json]) -> Diagnosis:
    if leaving := [p for p in snapshot.pods if p.leaving]:
        pod = leaving[0]
        return Diagnosis(
            kind=CannotStart,
            what=f"pod {pod.name} on node {pod.node} is being stopped; "
            "its successor waits until it has ended",
            remedy=f"if node {pod.node} is lost for good, delete it or taint it "
            "node.kubernetes.io/out-of-service",
        )
    refused = _newest(events, "FailedCreate")
    # Events stay for an hour; one that is older than a pod is out of date.
    if refused is None or _time(refused) < max((p.made_at for p in snapshot.pods), default=""):
        if snapshot.failed:
            what = f"{len(snapshot.failed)} pods failed; Kubernetes waits before the next try"
            return Diagnosis(
                kind=CannotStart, what=what, remedy="see the events of the Job", counts=False
            )
        return Diagnosis(
            kind=CannotStart,
            what="Kubernetes has not made a pod yet",
            remedy="see the events of the Job",
        )
    message = str(refused.get("message", ""))
    if "quota" in message:
        return Diagnosis(
            kind=QuotaExceeded,
            what=f"the quota of the namespace does not allow the pod: {message}",
            remedy="ask for less (trainer.cpu, memory, gpus, nodes), wait for others to finish, "
            "or have the quota raised",
            hopeless=over_quota(message),
        )
    return Diagnosis(
        kind=Refused,
        what=f"the cluster refuses the pod: {message}",
        remedy="correct what it names in the trainer block",
        final_after_s=10.0,  # an admission webhook may be restarting
    )


def _container(pod: Pod, reason: str, events: Sequence[Json]) -> Diagnosis:
    details = str(pod.waiting.get("message", "")) or _last_warning(events)
    image = pod.tree["spec"]["containers"][0].get("image", "")
    if reason in _IMAGE:
        return Diagnosis(
            kind=ImagePullFailed,
            what=f"image {image} cannot be pulled ({reason}): {details}",
            remedy="check trainer.image, image_pull_policy and image_pull_secrets, "
            "and that the node reaches the registry",
            hopeless=reason in _FINAL_AT_ONCE,
            final_after_s=20.0,  # the kubelet has tried twice by then
        )
    return Diagnosis(
        kind=CannotStart,
        what=f"the container of pod {pod.name} cannot be made ({reason}): {details}",
        remedy="check trainer.secrets, volumes and service_account",
        final_after_s=20.0,
    )


def _unscheduled(
    pod: Pod, message: str, events: Sequence[Json], nodes: Sequence[Json] | None
) -> Diagnosis:
    remedy = (
        "ask for less, choose other nodes (node_selector, tolerations, gpu_product), or add one"
    )
    if nodes is None:
        what = (
            f"no node takes pod {pod.name}: {message}; this account may not read nodes, "
            "so it is not known whether one ever could"
        )
        return Diagnosis(kind=Unschedulable, what=what, remedy=remedy)
    missing = never_fits(pod, nodes)
    if missing is None:
        return Diagnosis(
            kind=Unschedulable, what=f"pod {pod.name} waits for a node: {message}", remedy=remedy
        )
    coming = any(e.get("reason") in _SCALING for e in events)
    return Diagnosis(
        kind=Unschedulable,
        what=f"no node of the cluster can ever take pod {pod.name}: {missing}",
        remedy=remedy,
        final_after_s=None if coming else SCALING_S,
    )


def _newest(events: Sequence[Json], reason: str) -> Json | None:
    found = [e for e in events if e.get("reason") == reason]
    return max(found, key=_time, default=None)


def _time(event: Json) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")


def _last_warning(events: Sequence[Json]) -> str:
    warnings = [
        e for e in events if e.get("type") == "Warning" and e.get("reason") != "FailedScheduling"
    ]
    newest = max(warnings, key=_time, default=None)
    return f"{newest.get('reason')}: {newest.get('message')}" if newest else ""
