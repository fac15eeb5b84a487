"""Manifests as plain dicts: a Job, and a headless Service where pods train together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from components.config.trainer import KubernetesTrainer
from components.core.refs import digest_json
from components.pods import exit_codes
from infra.manifests_pod import CONTAINER, Manifest, template

MANAGER = "concord"
PORT = 29_400
"""Port of torchrun's rendezvous."""
EXCHANGE = "concord/exchange"
"""Annotation: the exchange that a Job writes to."""
KEEP_S = 6 * 3600
"""Seconds that finished Jobs stay: for Kueue after preemption, and for the run of a killed flow."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a Job does.

    Attributes:
        name: of the Job, from ``job_name``.
        task: ``train``, ``encode`` and so on; a label.
        run: id of the run that submitted it; a label.
        config: URI of the specification, as pods see it.
        out: URI of the folder for checkpoints and results, as pods see it.
        code: digest of the submitting code.
        parts: number of independent parts, each an index of the Job; None for one training task.
        seal: of the specification, as its ``seal()`` gives it; None accepts any.
    """

    name: str
    task: str
    run: str
    config: str
    out: str
    code: str
    parts: int | None = None
    seal: str | None = None


def job_name(task: str, spec_digest: str, code: str) -> str:
    """The same work has the same name, so that a second submit finds the first Job."""
    return f"concord-{task.replace('_', '-')}-{digest_json([spec_digest, code])[:12]}"


def _exchange(work: Work, config: KubernetesTrainer) -> str:
    """Digest of where the Job writes, with the volume: the result can only be taken from there."""
    volumes = [
        v.model_dump()
        for v in config.volumes
        if (work.out + "/").startswith(v.mount.rstrip("/") + "/")
    ]
    return digest_json([work.out, volumes])[:16]


def labels(work: Work) -> dict[str, str]:
    """Owner labels of everything that belongs to a Job."""
    return {
        "app.kubernetes.io/managed-by": MANAGER,
        "concord/run": work.run,
        "concord/task": work.task,
        "concord/job": work.name,
    }


def job(work: Work, config: KubernetesTrainer) -> Manifest:
    """The Job of a piece of work."""
    together = work.parts is None and config.together
    pod = template(
        config,
        command=_command(work, config),
        labels=labels(work),
        code=work.code,
        subdomain=work.name if together else None,
    )
    spec: Manifest = {
        "activeDeadlineSeconds": config.time_budget_s,
        "ttlSecondsAfterFinished": KEEP_S,
        # The only policy that a podFailurePolicy allows: never two pods for one place.
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {"rules": _rules()},
        **_extent(work, config),
        "template": pod,
    }
    metadata: Manifest = {
        "name": work.name,
        "namespace": config.namespace,
        "labels": labels(work),
        "annotations": {EXCHANGE: _exchange(work, config)},
    }
    if config.queue:
        spec["suspend"] = True
        metadata["labels"] = metadata["labels"] | {"kueue.x-k8s.io/queue-name": config.queue}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def service(work: Work, config: KubernetesTrainer, owner: str) -> Manifest | None:
    """The headless Service that gives pods of one training task names; None where pods work alone.

    Args:
        work: what the Job does.
        config: the trainer block.
        owner: UID of the Job, whose deletion deletes the Service.
    """
    if work.parts is not None or not config.together:
        return None
    reference = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": work.name,
        "uid": owner,
        "controller": True,
    }
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": work.name,
            "namespace": config.namespace,
            "labels": labels(work),
            "ownerReferences": [reference],
        },
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,  # pods look for each other before they are ready
            "selector": {"concord/job": work.name},
            "ports": [{"name": "rendezvous", "port": PORT}],
        },
    }


def _command(work: Work, config: KubernetesTrainer) -> Sequence[str]:
    between = ["--config", work.config, "--out", work.out]
    if work.seal:
        between += ["--seal", work.seal]
    if work.parts is not None or not config.together:
        return ["python", "-m", "components.pods.entry", *between]
    nodes = f"{config.min_nodes}:{config.nodes}" if _elastic(config) else str(config.nodes)
    return [
        "python", "-m", "components.pods.launch",
        "--nodes", nodes,
        "--processes", str(config.processes),
        "--rendezvous", f"{work.name}-0.{work.name}.{config.namespace}.svc:{PORT}",
        *between,
    ]  # fmt: skip


def _extent(work: Work, config: KubernetesTrainer) -> dict[str, Any]:
    """How many pods, and how many failures."""
    if work.parts is not None:
        return {
            "completionMode": "Indexed",
            "completions": work.parts,
            "parallelism": work.parts,
            "backoffLimitPerIndex": config.retries,
            # Where more than a tenth fail, all would; finished parts are kept either way.
            "maxFailedIndexes": work.parts // 10,
        }
    if not config.together:
        return {
            "completionMode": "NonIndexed",
            "completions": 1,
            "parallelism": 1,
            "backoffLimit": config.retries,
        }
    extent = {
        "completionMode": "Indexed",
        "completions": config.nodes,
        "parallelism": config.nodes,
        "backoffLimit": config.retries,  # the exit code of a lost peer does not count
    }
    if _elastic(config):  # pods that never found a node must not keep a finished Job open
        extent["successPolicy"] = {"rules": [{"succeededCount": config.min_nodes}]}
    return extent


def _elastic(config: KubernetesTrainer) -> bool:
    return config.min_nodes is not None and config.min_nodes < config.nodes


def _rules() -> list[Manifest]:
    """The first match wins: a disrupted pod is not to blame, whatever its exit code."""
    return [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {
            "action": "Ignore",
            "onExitCodes": {
                "containerName": CONTAINER,
                "operator": "In",
                "values": sorted(exit_codes.NOT_COUNTED),
            },
        },
        {
            "action": "FailJob",
            "onExitCodes": {
                "containerName": CONTAINER,
                "operator": "In",
                "values": sorted(exit_codes.FAIL_AT_ONCE),
            },
        },
    ]
