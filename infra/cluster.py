"""Jobs of one cluster: submit, watch, logs, cancel, result."""

import secrets
import time
from collections.abc import Callable

from components.config.trainer import KubernetesTrainer
from components.core.progress import Say
from infra.connection import connect
from infra.failures import JobFailed, QuotaExceeded, Refused
from infra.manifests import EXCHANGE, Work, job
from infra.pod_logs import PodLogs, Take
from infra.services import delete, serve
from infra.snapshot import Json, Pod, Snapshot
from infra.transport import ApiError, Transport
from infra.verdict import verdict
from infra.watching import Outcome, Watching

_SUBMITTED = "concord/submit"
_GONE_S = 60.0


class Cluster:
    """The Jobs of one namespace.

    Args:
        config: the trainer block.
        say: receives messages for the user.
        budget_s: how long one request is tried.

    Raises:
        UserError: no usable kubeconfig and no account of a pod.
    """

    def __init__(self, config: KubernetesTrainer, *, say: Say, budget_s: float = 180.0) -> None:
        self._config, self._say = config, say
        self.transport = Transport(lambda: connect(config.context), say=say, budget_s=budget_s)
        self._jobs = f"/apis/batch/v1/namespaces/{config.namespace}/jobs"

    def submit(self, work: Work, *, usable: Callable[[Outcome], bool]) -> tuple[str, bool]:
        """Create the Job of a piece of work, or find the one that does it already.

        Args:
            work: what to do; its name is a function of its content.
            usable: whether the result of a complete Job still exists.

        Returns:
            The Job's UID, and whether the Job existed before.

        Raises:
            JobFailed: the cluster does not accept it.
        """
        mine = secrets.token_hex(8)
        manifest = job(work, self._config)
        manifest["metadata"]["annotations"][_SUBMITTED] = mine
        while True:
            try:
                made = self.transport.call("POST", self._jobs, body=manifest)
                attached = False
                break
            except ApiError as error:
                if error.status != 409:
                    raise self._refused(error, work.name) from error
            found = self._snapshot(work.name)
            if found.job is None:
                continue
            if self._in_the_way(found, usable):
                self._remove(work.name, found.job["metadata"]["uid"])
                continue
            made = found.job
            self._same_exchange(made, manifest)
            # Where only the answer to our own POST was lost, the Job is ours.
            attached = made["metadata"].get("annotations", {}).get(_SUBMITTED) != mine
            break
        uid = str(made["metadata"]["uid"])
        try:
            serve(self.transport, work, self._config, uid)
        except BaseException as error:
            if not attached:  # nobody would watch it
                self.cancel(work.name, uid, wait=False)
            if isinstance(error, ApiError):
                raise self._refused(error, work.name) from error
            raise
        return uid, attached

    def exists(self, name: str) -> bool:
        """Whether there is a Job of this name."""
        return self._snapshot(name).job is not None

    def watch(self, name: str, uid: str, *, take: Take) -> Outcome:
        """Follow a Job to its end.

        Args:
            name: of the Job.
            uid: of the Job.
            take: receives every line that its pods write.

        Raises:
            JobFailed: no result; class and message give the reason, with the pod's last lines.
            Unreachable: the API server did not answer for minutes; the Job keeps running.
        """
        logs = PodLogs(self.transport, self._config.namespace, take)
        watching = Watching(
            self.transport,
            self._config,
            name=name,
            uid=uid,
            say=self._say,
            logs=logs,
            cancel=lambda: self.cancel(name, uid),
        )
        try:
            return watching.until_done()
        except ApiError as error:
            raise self._refused(error, name) from error

    def logs(self, name: str, take: Take) -> None:
        """All lines that the pods of a Job have written so far."""
        PodLogs(self.transport, self._config.namespace, take).read(self._snapshot(name).pods)

    def cancel(self, name: str, uid: str | None = None, *, wait: bool = True) -> None:
        """Delete a Job and everything that belongs to it.

        Args:
            name: of the Job.
            uid: delete this one only; by default any of the name.
            wait: for its pods to end, for a limited time.
        """
        try:
            self._remove(name, uid, wait=wait)
        except ApiError as error:
            raise self._refused(error, name) from error

    def result(self, name: str) -> Outcome | None:
        """The outcome of a Job; None where it does not exist or has not ended.

        Raises:
            JobFailed: it failed.
        """
        found = self._snapshot(name)
        if found.phase == "failed":
            raise verdict(found, name=name, namespace=self._config.namespace, log=[])
        return self._outcome(found) if found.phase == "succeeded" else None

    def _outcome(self, found: Snapshot) -> Outcome:
        metadata = (found.job or {})["metadata"]
        return Outcome(name=metadata["name"], uid=metadata["uid"], attempts=found.attempts)

    def _in_the_way(self, found: Snapshot, usable: Callable[[Outcome], bool]) -> bool:
        """Whether a Job of the same name must be removed: deleted, failed, or its result lost."""
        if found.phase == "succeeded":
            return not usable(self._outcome(found))
        return found.phase in ("gone", "failed")

    def _same_exchange(self, found: Json, wanted: Json) -> None:
        name, namespace = found["metadata"]["name"], self._config.namespace
        if (
            found["metadata"].get("annotations", {}).get(EXCHANGE)
            != wanted["metadata"]["annotations"][EXCHANGE]
        ):
            raise Refused(
                "a Job does this work already and writes to another exchange, "
                "so its result cannot be taken from this one",
                where=f"Job {name} in namespace {namespace}",
                remedy="wait for it, use its exchange, or stop it with "
                f"`kubectl -n {namespace} delete job {name}`",
            )

    def _snapshot(self, name: str) -> Snapshot:
        try:
            tree: Json | None = self.transport.call("GET", f"{self._jobs}/{name}")
        except ApiError as error:
            if error.status != 404:
                raise self._refused(error, name) from error
            tree = None
        return Snapshot(job=tree, pods=self._pods(name))

    def _pods(self, name: str) -> list[Pod]:
        path = f"/api/v1/namespaces/{self._config.namespace}/pods"
        return [
            Pod(p)
            for p in self.transport.call(
                "GET", path, query={"labelSelector": f"concord/job={name}"}
            )["items"]
        ]

    def _remove(self, name: str, uid: str | None, *, wait: bool = True) -> None:
        options: Json = {"propagationPolicy": "Background"}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        delete(self.transport, f"{self._jobs}/{name}", options)
        if not wait:
            return
        end = time.monotonic() + self._config.grace_period_s + _GONE_S
        pause = 0.2
        while time.monotonic() < end:
            left = self._snapshot(name)
            same = left.job is not None and uid in (None, left.job["metadata"]["uid"])
            if not same and not any(uid in (None, *_owners(p)) for p in left.pods):
                return
            time.sleep(pause)
            pause = min(pause * 1.5, 2.0)
        stuck = ", ".join(f"{p.name} on node {p.node}" for p in left.pods)
        self._say(f"{name}: pods are still being stopped ({stuck}); their results are ignored")

    def _refused(self, error: ApiError, name: str) -> JobFailed:
        where = f"Job {name} in namespace {self._config.namespace}"
        if error.status == 403 and "exceeded quota" in error.message:
            remedy = "ask for less, wait for others to finish, or have the quota raised"
            return QuotaExceeded(
                f"the quota of the namespace does not allow it: {error.message}",
                where=where,
                remedy=remedy,
            )
        if error.status in (401, 403):
            remedy = (
                "`concord doctor --cluster CONFIG` lists missing rights; "
                "check trainer.context and namespace too"
            )
        elif error.status == 404:
            remedy = "check trainer.namespace and context"
        else:
            remedy = "correct what it names in the trainer block"
        return Refused(
            f"the cluster answered {error.status}: {error.message}", where=where, remedy=remedy
        )


def _owners(pod: Pod) -> list[str]:
    return [o["uid"] for o in pod.tree["metadata"].get("ownerReferences", [])]
