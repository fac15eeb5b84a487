"""Observes Kubernetes during a fault run through its own connection, not the proxy."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from infra.connection import connect
from infra.snapshot import Pod, Snapshot
from infra.transport import ApiError, Transport, Unreachable

_EVERY_S = 0.2


def _unheard(words: str) -> None:
    """Discard a message."""


class Observer:
    """Polls one Job and its pods.

    Args:
        kubeconfig: of the real server.
        namespace: where the Job is.
        name: of the Job.
    """

    def __init__(self, kubeconfig: str, namespace: str, name: str) -> None:
        self.api = Transport(lambda: connect(None, kubeconfig), say=_unheard, budget_s=120)
        self.namespace, self.name = namespace, name
        self.jobs: set[str] = set()
        """UIDs of all Jobs seen under this name."""
        self.pods: set[str] = set()
        """UIDs of all its pods."""
        self.most_live = 0
        """The most pods that Kubernetes believed to be training at one moment."""
        self.last = Snapshot(job=None)
        self.ended: str = ""
        """How the Job ended, if it was seen to."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(30)

    def look(self) -> Snapshot:
        """The Job and its pods now."""
        jobs = f"/apis/batch/v1/namespaces/{self.namespace}/jobs/{self.name}"
        pods = f"/api/v1/namespaces/{self.namespace}/pods"
        try:
            job = self.api.call("GET", jobs)
        except ApiError as error:
            if error.status != 404:
                raise
            job = None
        items = self.api.call("GET", pods, query={"labelSelector": f"concord/job={self.name}"})[
            "items"
        ]
        return Snapshot(job=job, pods=[Pod(p) for p in items])

    def active(self) -> bool:
        """Whether the Job existed and had not ended at the last look."""
        return self.last.job is not None and self.last.phase not in ("succeeded", "failed", "gone")

    def until(self, found: Callable[[Snapshot], bool], timeout: float = 90.0) -> bool:
        """Wait until the Job matches; False if it ended or took too long."""
        for _ in range(int(timeout / _EVERY_S)):
            if found(self.last):
                return True
            if self.ended or self._stop.wait(_EVERY_S):
                return False
        return False

    def _run(self) -> None:
        while not self._stop.wait(_EVERY_S):
            try:
                self.last = self.look()
            except (ApiError, Unreachable):
                continue
            if self.last.job is not None:
                uid = self.last.job["metadata"]["uid"]
                self.jobs.add(uid)
                # Pods of the previous run may still be terminating.
                self.pods |= {
                    p.uid
                    for p in self.last.pods
                    if p.tree["metadata"]["ownerReferences"][0]["uid"] == uid
                }
                if self.last.phase in ("succeeded", "failed"):
                    self.ended = self.last.phase
            self.most_live = max(
                self.most_live, sum(p.phase == "Running" and not p.leaving for p in self.last.pods)
            )
