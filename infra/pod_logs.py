"""The lines of pods as they are written, once each, for the user; nothing is decided by them."""

import threading
from collections import deque
from collections.abc import Callable, Sequence

import urllib3

from infra.manifests_pod import CONTAINER
from infra.snapshot import Pod
from infra.transport import ApiError, Broken, Transport

Take = Callable[[str], None]

KEPT = 20
"""Lines that an exception shows."""
_IDLE_S = 300.0
_FOLLOWED = 16
"""Pods whose lines are shown at a time; messages of failed pods come from their status."""
_PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0)


class PodLogs:
    """Follows every pod of a Job in a thread of its own.

    Args:
        transport: the way to the API server.
        namespace: of the pods.
        take: receives every line; called from several threads.
    """

    def __init__(self, transport: Transport, namespace: str, take: Take) -> None:
        self._transport, self._namespace, self._take = transport, namespace, take
        self._followers: dict[str, _Follower] = {}
        self._lock = threading.Lock()
        self.last: dict[str, deque[str]] = {}
        """Pod UID to its last lines."""

    def attend(self, pods: Sequence[Pod]) -> None:
        """Follow pods that have started, and drain the logs of those that have ended."""
        for pod in pods:
            if pod.started and pod.uid not in self._followers and self._room(pod):
                self.last[pod.uid] = deque(maxlen=KEPT)
                self._followers[pod.uid] = _Follower(
                    self._transport, self._path(pod), self._into(pod)
                )
            if pod.uid in self._followers and pod.phase in ("Succeeded", "Failed"):
                self._followers[pod.uid].ended.set()
        for uid in self._followers.keys() - {p.uid for p in pods}:
            self._followers[uid].stop()

    def read(self, pods: Sequence[Pod]) -> None:
        """All lines so far of pods that have started, one pod after the other."""
        for pod in pods:
            if pod.started:
                self.last[pod.uid] = deque(maxlen=KEPT)
                into = self._into(pod)
                for raw in self._transport.lines(
                    self._path(pod), {"container": CONTAINER}, idle_s=_IDLE_S
                ):
                    into(raw.decode(errors="replace"))

    def _room(self, pod: Pod) -> bool:
        return (
            pod.phase == "Failed"
            or sum(not f.ended.is_set() for f in self._followers.values()) < _FOLLOWED
        )

    def finish(self, wait_s: float = 3.0) -> None:
        """Drain the logs of pods that have ended, then stop."""
        for follower in self._followers.values():
            if follower.ended.is_set():
                follower.thread.join(wait_s)
            follower.stop()

    def tail(self, pod: Pod | None) -> list[str]:
        """The last lines of a pod, else of the pod that was followed last."""
        known = (
            self.last.get(pod.uid)
            if pod
            else next(reversed(self.last.values()), None)
            if self.last
            else None
        )
        return list(known or [])

    def _path(self, pod: Pod) -> str:
        return f"/api/v1/namespaces/{self._namespace}/pods/{pod.name}/log"

    def _into(self, pod: Pod) -> Take:
        kept, prefix = self.last[pod.uid], f"[{pod.index}] " if pod.indexed else ""

        def into(line: str) -> None:
            with self._lock:
                kept.append(line)
                self._take(prefix + line)

        return into


class _Follower:
    """One pod's lines: reopens broken streams, and drops repeated lines by their time stamps."""

    def __init__(self, transport: Transport, path: str, take: Take) -> None:
        self._transport, self._path, self._take = transport, path, take
        self._response: urllib3.BaseHTTPResponse | None = None
        self._stamp = ""
        self._latest: set[bytes] = set()
        self.ended = threading.Event()
        self._stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, name="concord-pod-log", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """End soon, whatever the stream does."""
        self._stopped.set()
        self.ended.set()  # wakes it
        if self._response is not None:
            try:
                self._response.shutdown()
            except (ValueError, OSError, RuntimeError):
                return  # it has ended by itself

    def _run(self) -> None:
        tries = 0
        while not self._stopped.is_set():
            last_read, before = self.ended.is_set(), self._stamp
            try:
                self._read()
                if last_read:
                    return
            except (ApiError, Broken) as error:
                if isinstance(error, ApiError) and error.status == 404:
                    return  # the pod was deleted, and its lines with it
                if last_read and tries > len(_PAUSES):
                    return
            # Streams that keep ending without a line must not cause a storm of requests.
            tries = tries + 1 if self._stamp == before else 0
            (self._stopped if last_read else self.ended).wait(_PAUSES[min(tries, len(_PAUSES) - 1)])

    def _read(self) -> None:
        query: dict[str, str | int] = {
            "container": CONTAINER,
            "follow": "true",
            "timestamps": "true",
        }
        if self._stamp:
            query["sinceTime"] = (
                self._stamp[:19] + "Z"
            )  # whole seconds: what comes twice is dropped below

        def opened(response: urllib3.BaseHTTPResponse) -> None:
            self._response = response

        for raw in self._transport.lines(self._path, query, idle_s=_IDLE_S, opened=opened):
            stamp, _, line = raw.decode(errors="replace").partition(" ")
            if stamp < self._stamp or raw in self._latest:
                continue
            self._latest = self._latest | {raw} if stamp == self._stamp else {raw}
            self._stamp = stamp
            self._take(line)
