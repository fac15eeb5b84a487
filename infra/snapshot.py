"""A Job and its pods at one moment; the only source of facts about their state."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from infra.manifests_pod import CONTAINER

Json = dict[str, Any]
Phase = Literal["queued", "pending", "running", "succeeded", "failed", "gone"]

_INDEX = "batch.kubernetes.io/job-completion-index"


@dataclass(frozen=True, kw_only=True)
class End:
    """How the container of a pod ended."""

    code: int
    reason: str
    message: str


@dataclass(frozen=True)
class Pod:
    """One pod as the API server shows it."""

    tree: Json

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.tree["metadata"]["name"])

    @property
    def uid(self) -> str:
        """Its UID: the token of its attempt."""
        return str(self.tree["metadata"]["uid"])

    @property
    def index(self) -> int:
        """Completion index in an Indexed Job, else 0."""
        return int(self.tree["metadata"].get("annotations", {}).get(_INDEX, 0))

    @property
    def indexed(self) -> bool:
        """Whether it belongs to an Indexed Job."""
        return _INDEX in self.tree["metadata"].get("annotations", {})

    @property
    def phase(self) -> str:
        """Pending, Running, Succeeded, Failed or Unknown."""
        return str(self.tree.get("status", {}).get("phase", "Pending"))

    @property
    def node(self) -> str:
        """Where it runs; empty while it waits for a node."""
        return str(self.tree["spec"].get("nodeName", ""))

    @property
    def leaving(self) -> bool:
        """Whether it is being deleted."""
        return "deletionTimestamp" in self.tree["metadata"]

    @property
    def started(self) -> bool:
        """Whether its container ran, so that it may have written lines."""
        state = self._container.get("state", {})
        return "running" in state or "terminated" in state

    @property
    def waiting(self) -> Json:
        """Reason and message of a container that does not start; else empty."""
        return dict(self._container.get("state", {}).get("waiting", {}))

    @property
    def end(self) -> End | None:
        """How its container ended, if it did."""
        state = self._container.get("state", {}).get("terminated")
        if state is None:
            return None
        return End(
            code=int(state.get("exitCode", -1)),
            reason=str(state.get("reason", "")),
            message=str(state.get("message", "")).strip(),
        )

    @property
    def made_at(self) -> str:
        """Time of its creation; sorts."""
        return str(self.tree["metadata"].get("creationTimestamp", ""))

    @property
    def ended_at(self) -> str:
        """Time of the container's end; sorts."""
        return str(self._container.get("state", {}).get("terminated", {}).get("finishedAt", ""))

    @property
    def disruption(self) -> str:
        """Why Kubernetes removes it (preemption, eviction, taint); else empty."""
        condition = self.condition("DisruptionTarget")
        return (
            f"{condition.get('reason', '')}: {condition.get('message', '')}"
            if condition.get("status") == "True"
            else ""
        )

    def condition(self, kind: str) -> Json:
        """One condition of its status; empty where there is none."""
        return next(
            (c for c in self.tree.get("status", {}).get("conditions", []) if c["type"] == kind), {}
        )

    @property
    def _container(self) -> Json:
        states = self.tree.get("status", {}).get("containerStatuses", [])
        return next((s for s in states if s["name"] == CONTAINER), {})


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A Job (None: it does not exist) and its pods."""

    job: Json | None
    pods: list[Pod] = field(default_factory=list)

    @property
    def phase(self) -> Phase:
        """Phase of the Job: failed as soon as Kubernetes decides so, running with enough pods."""
        if self.job is None or "deletionTimestamp" in self.job["metadata"]:
            return "gone"
        for kind, phase in _FINAL.items():
            if self.condition(kind):
                return phase
        if self.job["spec"].get("suspend"):
            return "queued"
        moving = self._at_work >= self._needed or (
            self._in_parts and bool(self.pods) and next(self.waiting(), None) is None
        )
        return "running" if moving else "pending"

    def condition(self, kind: str) -> Json:
        """One condition of the Job that holds; empty else."""
        conditions = (self.job or {}).get("status", {}).get("conditions", [])
        return next((c for c in conditions if c["type"] == kind and c["status"] == "True"), {})

    @property
    def failed(self) -> list[Pod]:
        """Pods that failed, the last to end first."""
        return sorted(
            (p for p in self.pods if p.phase == "Failed"), key=lambda p: p.ended_at, reverse=True
        )

    @property
    def attempts(self) -> dict[str, int]:
        """UIDs of the pods that succeeded, with their completion index."""
        return {p.uid: p.index for p in self.pods if p.phase == "Succeeded"}

    @property
    def _at_work(self) -> int:
        """Pods that run; in a training task also finished ones, which do not help other parts."""
        done = not self._in_parts
        return sum(
            (done and p.phase == "Succeeded") or (p.phase == "Running" and not p.leaving)
            for p in self.pods
        )

    @property
    def _in_parts(self) -> bool:
        return "backoffLimitPerIndex" in (self.job or {}).get("spec", {})

    @property
    def _needed(self) -> int:
        """Pods needed for progress: all of a training task (elastic: the fewest), or any part."""
        spec = self.job["spec"] if self.job else {}
        if spec.get("completionMode") != "Indexed" or self._in_parts:
            return 1
        rules = spec.get("successPolicy", {}).get("rules", [{}])
        return int(rules[0].get("succeededCount", spec["completions"]))

    def waiting(self) -> Iterator[Pod]:
        """Pods that have not started."""
        return (p for p in self.pods if p.phase == "Pending" and not p.leaving)


_FINAL: dict[str, Phase] = {
    "Complete": "succeeded",
    # Complete follows once every pod has ended, which a dead node may prevent for ever.
    "SuccessCriteriaMet": "succeeded",
    "Failed": "failed",
    "FailureTarget": "failed",
}
