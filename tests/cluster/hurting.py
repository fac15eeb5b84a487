"""Faults injected into a cluster during a training run."""

import random
import time
from collections.abc import Callable
from contextlib import suppress

from infra.snapshot import Pod
from infra.transport import ApiError
from tests.cluster.kubectl import Kubectl
from tests.cluster.observer import Observer
from tests.cluster.proxy import KINDS as PROXIED
from tests.cluster.proxy import Proxy
from tools.testcluster import faults

POD = ("pod_deleted", "evicted")
NODES = ("kubelet_killed", "containerd_restarted", "api_restarted", "etcd_stopped", "node_lost")
"""Only where the cluster may be hurt."""
ALL = (*PROXIED, *POD, *NODES)

_ETCD_AWAY_S = 20.0


class Hurting:
    """Injects one fault at a random moment of a run.

    Args:
        kind: of the fault.
        chance: what decides the moment.
        observer: sees the Job.
        proxy: stands before the API server.
        kubectl: for nodes.
        trained: whether a first step was seen.
    """

    def __init__(
        self,
        kind: str,
        chance: random.Random,
        observer: Observer,
        proxy: Proxy,
        kubectl: Kubectl,
        trained: Callable[[], bool],
    ) -> None:
        self.kind, self._chance, self._observer = kind, chance, observer
        self._proxy, self._kubectl, self._trained = proxy, kubectl, trained
        self.moment = chance.choice(["submitted", "running", "training", "training", "training"])
        if kind in POD and self.moment == "submitted":
            self.moment = "running"
        if kind == "cut_after":
            self.moment = chance.choice(["before", self.moment])
        self.delay = chance.uniform(0, 2)
        self.fired = False
        """Whether it was done while the Job was active."""
        if self.moment == "before":
            proxy.arm(kind)

    def run(self) -> None:
        """Wait for the moment and inject the fault."""
        if self.moment == "before":
            return
        reached = {
            "submitted": lambda now: now.job is not None,
            "running": lambda now: any(p.phase == "Running" for p in now.pods),
            "training": lambda _: self._trained(),
        }[self.moment]
        if not self._observer.until(reached):
            return
        time.sleep(self.delay)
        if self.kind in PROXIED:
            self._proxy.arm(self.kind)
            return
        if self._observer.look().phase not in ("pending", "running"):
            return
        self.fired = True
        with suppress(ApiError):  # the pod just ended: no fault was done
            getattr(self, f"_{self.kind}")()
            return
        self.fired = False

    def _pod(self) -> Pod | None:
        return next(
            (p for p in self._observer.look().pods if p.phase in ("Running", "Pending") and p.node),
            None,
        )

    def _node(self) -> str:
        pod = self._pod()
        return pod.node if pod else "node-1"

    def _pod_deleted(self) -> None:
        pod = self._pod()
        self.fired = pod is not None
        if pod:
            self._observer.api.call("DELETE", self._path(pod))

    def _evicted(self) -> None:
        pod = self._pod()
        self.fired = pod is not None
        if pod:
            eviction = {
                "apiVersion": "policy/v1",
                "kind": "Eviction",
                "metadata": {"name": pod.name, "namespace": self._observer.namespace},
            }
            self._observer.api.call("POST", f"{self._path(pod)}/eviction", body=eviction)

    def _path(self, pod: Pod) -> str:
        return f"/api/v1/namespaces/{self._observer.namespace}/pods/{pod.name}"

    def _kubelet_killed(self) -> None:
        node = self._node()
        faults.kill_kubelet(node)
        try:
            time.sleep(self._chance.uniform(2, 8))
        finally:
            faults.start_kubelet(node)

    def _containerd_restarted(self) -> None:
        faults.restart_containerd(self._node())

    def _api_restarted(self) -> None:
        faults.restart_api_server()

    def _etcd_stopped(self) -> None:
        faults.stop_etcd()
        try:
            time.sleep(_ETCD_AWAY_S)
        finally:
            faults.start_etcd()

    def _node_lost(self) -> None:
        node = self._node()
        faults.lose_node(node)
        try:
            end = time.monotonic() + 60
            while "NotReady" not in self._kubectl("get", "node", node) and time.monotonic() < end:
                time.sleep(0.5)
            self._kubectl(
                "taint",
                "node",
                node,
                "node.kubernetes.io/out-of-service=lost:NoExecute",
                "--overwrite",
            )
            self._observer.until(lambda now: all(p.node != node for p in now.pods))
        finally:
            faults.restore_node(node)
