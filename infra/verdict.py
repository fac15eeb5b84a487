"""Why a Job failed, from the ends of its pods; pure functions of a snapshot."""

from components.config.trainer import KubernetesTrainer
from components.pods import exit_codes
from infra.failures import (
    JobFailed,
    OutOfMemory,
    PreflightFailed,
    RetriesExhausted,
    TimeBudgetExceeded,
    UserBug,
    UserMistake,
)
from infra.snapshot import End, Pod, Snapshot

_LOST = 10
_BY_CODE: dict[int, tuple[type[JobFailed], str, str]] = {
    exit_codes.USAGE: (
        UserMistake,
        "the pod refused its command or specification",
        "correct what it names and run again",
    ),
    exit_codes.DATA: (
        UserMistake,
        "the pod refused its input",
        "correct what it names and run again",
    ),
    exit_codes.PREFLIGHT: (
        PreflightFailed,
        "the preflight of the pod failed",
        "correct what it names, or set trainer.device or any_code",
    ),
    exit_codes.BUG: (
        UserBug,
        "the program failed",
        "correct the error; it would occur again, so nothing was retried",
    ),
}


def out_of_memory(snapshot: Snapshot) -> Pod | None:
    """The pod that exceeded its memory limit, if one did; the next one would as well."""
    return next((p for p in snapshot.failed if p.end and p.end.reason == "OOMKilled"), None)


def culprit(snapshot: Snapshot) -> Pod | None:
    """The pod to blame: the first cause among pods that fail together, else the last to end."""
    to_blame = (p for p in snapshot.failed if p.end and p.end.code in _BY_CODE and not p.disruption)
    return next(to_blame, next(iter(snapshot.failed), None))


def endless(snapshot: Snapshot, config: KubernetesTrainer, *, log: list[str]) -> JobFailed | None:
    """The exception for pods that keep losing each other, which Kubernetes does not count.

    One disruption ends all pods of a training task; more ends than disruptions explain mean that
    pods cannot reach each other. None where disruptions explain them.
    """
    lost = [
        p
        for p in snapshot.failed
        if p.end and p.end.code in exit_codes.NOT_COUNTED and not p.disruption
    ]
    explained = config.nodes * (config.retries + 1 + sum(bool(p.disruption) for p in snapshot.pods))
    if len(lost) <= max(explained, _LOST):
        return None
    return RetriesExhausted(
        f"{len(lost)} pods ended because they were stopped or lost a peer, "
        "without a disruption that Kubernetes knows of",
        where=_where((snapshot.job or {})["metadata"]["name"], lost[0]),
        remedy="check that pods reach each other (network policies, NCCL settings) and who stops "
        "them; another run resumes",
        log=log,
    )


def verdict(snapshot: Snapshot, *, name: str, namespace: str, log: list[str]) -> JobFailed:
    """The exception for a failed Job.

    Args:
        snapshot: a Job with a Failed condition.
        name: of the Job.
        namespace: where it is.
        log: last lines of its pods.
    """
    condition = snapshot.condition("Failed") or snapshot.condition("FailureTarget")
    if pod := out_of_memory(snapshot):
        return memory_error(pod, name=name, log=log)
    if (pod := culprit(snapshot)) and pod.end and pod.end.code in _BY_CODE:
        kind, what, remedy = _BY_CODE[pod.end.code]
        return kind(f"{what}: {_words(pod.end)}", where=_where(name, pod), remedy=remedy, log=log)
    if condition.get("reason") == "DeadlineExceeded":
        return TimeBudgetExceeded(
            f"the time budget of {_budget(snapshot)} s is used up",
            where=f"Job {name} in namespace {namespace}",
            remedy="raise trainer.time_budget_s and run again: it resumes from its last checkpoint",
            log=log,
        )
    ends = ", ".join(_one_end(p) for p in snapshot.failed[:5]) or str(
        condition.get("message", "no pod is left to ask")
    )
    last = next(
        (f"; message of the last one: {_words(p.end)}" for p in snapshot.failed if p.end), ""
    )
    return RetriesExhausted(
        f"{len(snapshot.failed)} pods failed, more than trainer.retries allows "
        f"({condition.get('reason')}): {ends}{last}",
        where=f"Job {name} in namespace {namespace}",
        remedy=f"see `kubectl -n {namespace} describe job {name}`; "
        "another run resumes from the last checkpoint",
        log=log,
    )


def memory_error(pod: Pod, *, name: str, log: list[str]) -> OutOfMemory:
    """The exception for a pod that was killed at its memory limit."""
    limit = (
        pod.tree["spec"]["containers"][0]
        .get("resources", {})
        .get("limits", {})
        .get("memory", "none")
    )
    return OutOfMemory(
        f"the pod took more memory than its limit of {limit} and was killed (OOMKilled)",
        where=_where(name, pod),
        remedy="raise trainer.memory or lower training.batch_size, then run again: "
        "it resumes from its last checkpoint",
        log=log,
    )


def _budget(snapshot: Snapshot) -> object:
    return (snapshot.job or {})["spec"].get("activeDeadlineSeconds")


def _where(name: str, pod: Pod) -> str:
    return f"Job {name}, pod {pod.name} on node {pod.node or 'none'}"


def _words(end: End) -> str:
    return end.message or f"exit code {end.code}, no message"


def _one_end(pod: Pod) -> str:
    if pod.disruption:
        return f"{pod.name}: removed ({pod.disruption})"
    if pod.end is None:
        status = pod.tree.get("status", {})
        return f"{pod.name}: {status.get('reason', 'failed')} {status.get('message', '')}".strip()
    code = f"exit code {pod.end.code}" + (
        f" ({pod.end.reason})" if pod.end.reason not in ("", "Error") else ""
    )
    return f"{pod.name}: {code}" + (
        ", exchange or peers not reached" if pod.end.code == exit_codes.IO else ""
    )
