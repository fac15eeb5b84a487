"""Follow one Job by list-then-watch with bounded time-outs, to its attempts or its failure."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from components.config.trainer import KubernetesTrainer
from components.core.progress import Say
from infra.failures import JobDeleted
from infra.pending import Diagnosis, diagnose
from infra.pod_logs import PodLogs
from infra.snapshot import Json, Pod, Snapshot
from infra.transport import ApiError, Broken, Transport
from infra.verdict import culprit, endless, memory_error, out_of_memory, verdict

STEADY_S = 30.0
"""Seconds of a watch, after which everything is listed again, in case the watch missed events."""
_FIRST_S = 1.0
_AGAIN_S = 1.0
"""Least seconds from one list to the next; more after watches that were refused or broke."""
_MANY, _LIST_S = 20, 5.0
"""Completions from which, and seconds within which, the pods of a running Job are listed once."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A Job that succeeded.

    Attributes:
        name: of the Job.
        uid: of the Job.
        attempts: UIDs of the pods that succeeded, with their completion index; empty where the pods
            no longer exist.
    """

    name: str
    uid: str
    attempts: dict[str, int]


class Watching:
    """Follows one Job.

    Args:
        transport: the way to the API server.
        config: the trainer block.
        name: of the Job.
        uid: of the Job; another one of the same name is ignored.
        say: receives a message for each change.
        logs: follows the pods' lines.
        cancel: deletes the Job; called for a failure that would occur again.
    """

    def __init__(
        self,
        transport: Transport,
        config: KubernetesTrainer,
        *,
        name: str,
        uid: str,
        say: Say,
        logs: PodLogs,
        cancel: Callable[[], None],
    ) -> None:
        self._transport, self._config, self._name, self._uid = transport, config, name, uid
        self._say, self._logs, self._cancel = say, logs, cancel
        self._told: set[str] = set()
        self._pending_since: float | None = None
        self._diagnosis: tuple[object, float] = (None, 0.0)
        self._pace = _FIRST_S
        self._listed = 0.0

    def until_done(self) -> Outcome:
        """Follow the Job to its end.

        Raises:
            JobFailed: no result; the class gives the reason.
            Unreachable: the API server does not answer.
        """
        try:
            for snapshot in self._snapshots():
                self._logs.attend(snapshot.pods)
                if (outcome := self._judge(snapshot)) is not None:
                    return outcome
        finally:
            self._logs.finish()
        raise AssertionError("snapshots end only by an exception")

    def _judge(self, snapshot: Snapshot) -> Outcome | None:
        phase = snapshot.phase
        if phase == "gone" or (snapshot.job or {})["metadata"]["uid"] != self._uid:
            raise JobDeleted(
                "the Job was deleted while it was followed",
                where=f"Job {self._name} in namespace {self._config.namespace}",
                remedy="if that was not you, ask who may delete Jobs there; "
                "another run resumes from the last checkpoint",
                log=self._logs.tail(None),
            )
        if phase == "succeeded":
            return Outcome(name=self._name, uid=self._uid, attempts=snapshot.attempts)
        if phase == "failed":
            self._logs.finish()
            tail = self._logs.tail(culprit(snapshot))
            raise verdict(snapshot, name=self._name, namespace=self._config.namespace, log=tail)
        if (pod := out_of_memory(snapshot)) is not None:
            self._logs.finish()
            self._cancel()
            raise memory_error(pod, name=self._name, log=self._logs.tail(pod))
        if (error := endless(snapshot, self._config, log=self._logs.tail(None))) is not None:
            self._cancel()
            raise error
        self._tell(snapshot)
        if phase == "pending":
            self._wait(snapshot)
        else:
            self._pending_since = None
            self._pace = STEADY_S
        return None

    def _tell(self, snapshot: Snapshot) -> None:
        if snapshot.phase == "queued":
            self._once(
                f"{self._name}: suspended"
                + (f", waiting in queue {self._config.queue}" if self._config.queue else "")
            )
        for pod in snapshot.pods:
            if pod.disruption:
                self._once(
                    f"{pod.name}: removed ({pod.disruption}); "
                    "its successor resumes from the last checkpoint"
                )
            elif pod.phase == "Failed" and pod.end:
                self._once(
                    f"{pod.name}: ended with exit code {pod.end.code}; Kubernetes tries again"
                )
            elif pod.phase == "Running" and not pod.leaving:
                self._once(f"{pod.name}: running on {pod.node}")

    def _wait(self, snapshot: Snapshot) -> None:
        """Report why nothing runs; fail where waiting cannot help or took too long."""
        now = time.monotonic()
        found = diagnose(snapshot, self._events(snapshot), self._nodes(snapshot))
        if self._pending_since is None or not found.counts:
            self._pending_since = now
        if (same := (found.kind, found.final_after_s)) != self._diagnosis[0]:
            self._diagnosis = (same, now)
        if now - self._pending_since > _FIRST_S:  # every pod is pending for a moment
            self._once(f"{self._name}: {found.what}")
        lasts, pending = now - self._diagnosis[1], now - self._pending_since
        # A reason that becomes final is checked often enough to fail in time, a queue rarely.
        self._pace = (
            min(5.0, found.final_after_s)
            if found.final_after_s is not None
            else min(max(self._pace, _FIRST_S) * 1.5, STEADY_S)
        )
        if found.hopeless or (found.final_after_s is not None and lasts >= found.final_after_s):
            raise self._end(found, f"after {pending:.0f} s")
        left = self._config.pending_timeout_s - pending
        self._pace = min(self._pace, max(left, _FIRST_S))
        if left <= 0:
            raise self._end(
                found,
                f"for {pending:.0f} s, "
                f"trainer.pending_timeout_s is {self._config.pending_timeout_s}",
            )

    def _end(self, found: Diagnosis, how_long: str) -> Exception:
        self._cancel()
        return found.kind(
            f"{found.what} [{how_long}]",
            where=f"Job {self._name} in namespace {self._config.namespace}; it was cancelled",
            remedy=found.remedy,
            log=self._logs.tail(None),
        )

    def _events(self, snapshot: Snapshot) -> list[Json]:
        pod = next(snapshot.waiting(), None)
        about = pod.uid if pod else self._uid
        path = f"/api/v1/namespaces/{self._config.namespace}/events"
        try:
            return list(
                self._transport.call(
                    "GET", path, query={"fieldSelector": f"involvedObject.uid={about}"}
                )["items"]
            )
        except ApiError:
            return []  # events may not be readable; the conditions of the pod still are

    def _nodes(self, snapshot: Snapshot) -> list[Json] | None:
        pod = next(snapshot.waiting(), None)
        if pod is None or pod.condition("PodScheduled").get("status") != "False":
            return None
        try:
            return list(self._transport.call("GET", "/api/v1/nodes", patient=False)["items"])
        except ApiError:
            return None  # nodes are cluster-scoped; a namespaced account may not read them

    def _once(self, words: str) -> None:
        if words not in self._told:
            self._told.add(words)
            self._say(words)

    def _snapshots(self) -> Iterator[Snapshot]:
        """The Job and its pods: at first, after every change of the Job, and after every watch."""
        path = f"/apis/batch/v1/namespaces/{self._config.namespace}/jobs"
        only = {"fieldSelector": f"metadata.name={self._name}"}
        broken = 0
        while True:
            listed = self._transport.call("GET", path, query=only)
            yield Snapshot(job=next(iter(listed["items"]), None), pods=self._pods())
            started = time.monotonic()
            query = only | {
                "watch": "true",
                "resourceVersion": listed["metadata"]["resourceVersion"],
                "timeoutSeconds": max(1, round(self._pace)),
            }
            try:
                for raw in self._transport.lines(path, query, idle_s=self._pace + 5):
                    event = json.loads(raw)
                    if event["type"] == "ERROR":
                        break  # 410 Gone and the like: list again
                    if event["type"] == "BOOKMARK":
                        continue
                    job = None if event["type"] == "DELETED" else event["object"]
                    broken = 0
                    if job is not None and self._may_wait(job):
                        continue
                    yield Snapshot(job=job, pods=self._pods())
            except (Broken, ApiError, ValueError) as error:
                if isinstance(error, ApiError) and error.status not in _LIST_AGAIN:
                    raise
                broken += 1
            # A watch that keeps ending at once, or is refused, must not cause a storm of lists.
            pause = min(STEADY_S, _AGAIN_S * 2.0 ** max(0, broken - 2))
            time.sleep(max(0.0, pause - (time.monotonic() - started)))

    def _may_wait(self, job: Json) -> bool:
        """Whether a change of a large Job can wait for the next: its pods were listed just now."""
        ended = any(c["status"] == "True" for c in job.get("status", {}).get("conditions", []))
        if ended or job["spec"].get("completions", 1) <= _MANY:
            return False
        return time.monotonic() - self._listed < _LIST_S

    def _pods(self) -> list[Pod]:
        self._listed = time.monotonic()
        path = f"/api/v1/namespaces/{self._config.namespace}/pods"
        listed = self._transport.call(
            "GET", path, query={"labelSelector": f"concord/job={self._name}"}
        )
        # Pods of an earlier Job of the same name may still be stopping.
        return [
            Pod(p)
            for p in listed["items"]
            if any(o["uid"] == self._uid for o in p["metadata"].get("ownerReferences", []))
        ]


_LIST_AGAIN = {401, 403, 404, 410, 429, 500, 502, 503, 504}
