"""The pod of a Job as a plain dict: non-root, read-only root, no account token, exact resources."""

import math
from collections.abc import Sequence
from typing import Any

from components.config.pods import Toleration, Volume
from components.config.trainer import KubernetesTrainer

Manifest = dict[str, Any]

CONTAINER = "train"
# Labels of interruptible nodes: GKE, EKS, AKS and Karpenter, each from its own documentation. GKE
# and AKS taint them too.
_SPOT = {
    "cloud.google.com/gke-spot": "true",
    "eks.amazonaws.com/capacityType": "SPOT",
    "karpenter.sh/capacity-type": "spot",
    "kubernetes.azure.com/scalesetpriority": "spot",
}
_SPOT_TAINTS = ("cloud.google.com/gke-spot", "kubernetes.azure.com/scalesetpriority")


def template(
    config: KubernetesTrainer,
    *,
    command: Sequence[str],
    labels: dict[str, str],
    code: str,
    subdomain: str | None,
) -> Manifest:
    """The pod template of a Job.

    Args:
        config: the trainer block.
        command: what the container runs.
        labels: labels of the pod; ``concord/job`` names the Job.
        code: digest of the submitting code.
        subdomain: name of the headless Service through which pods find each other; None for pods
            that work alone.
    """
    spec: Manifest = {
        "restartPolicy": "Never",  # a podFailurePolicy allows nothing else
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": config.grace_period_s,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": config.user,
            "runAsGroup": config.user,
            "fsGroup": config.user,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(config, command, code)],
        "volumes": [*_scratch(config), *(_volume(v) for v in config.volumes)],
    }
    optional = {
        "affinity": _affinity(config, labels),
        "imagePullSecrets": [{"name": n} for n in config.image_pull_secrets],
        "nodeSelector": dict(config.node_selector),
        "priorityClassName": config.priority_class,
        "serviceAccountName": config.service_account,
        "subdomain": subdomain,
        "tolerations": _tolerations(config),
    }
    return {"metadata": {"labels": labels}, "spec": spec | {k: v for k, v in optional.items() if v}}


def _container(config: KubernetesTrainer, command: Sequence[str], code: str) -> Manifest:
    return {
        "name": CONTAINER,
        "image": config.image,
        "imagePullPolicy": config.image_pull_policy,
        "command": list(command),
        "env": _environment(config, code),
        "resources": _resources(config),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            *({"name": v["name"], "mountPath": _PLACES[v["name"]]} for v in _scratch(config)),
            *(
                {"name": v.name, "mountPath": v.mount} | ({"readOnly": True} if v.read_only else {})
                for v in config.volumes
            ),
        ],
    }


def _environment(config: KubernetesTrainer, code: str) -> list[Manifest]:
    own = {
        "CONCORD_CACHE": "/cache",
        "CONCORD_GPUS": str(config.gpus),
        "CONCORD_DEVICE": "cuda" if config.needs_cuda else "cpu",
        "CONCORD_CHECKPOINT_STEPS": str(config.checkpoint_steps),
        "HOME": "/tmp",  # noqa: S108  # an emptyDir of this pod alone
        "TMPDIR": "/tmp",  # noqa: S108
    }
    if not config.any_code:
        own["CONCORD_CODE"] = code
    # Torch counts the cores of the node, not those of the pod, which its processes share.
    threads = {
        "OMP_NUM_THREADS": str(max(1, math.floor(config.cpu / config.processes))),
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    plain = {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"} | threads | config.env | own
    return [
        {"name": "CONCORD_ATTEMPT", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
        *({"name": k, "value": v} for k, v in plain.items()),
        *(
            {"name": s.env, "valueFrom": {"secretKeyRef": {"name": s.secret, "key": s.key}}}
            for s in config.secrets
        ),
    ]


def _resources(config: KubernetesTrainer) -> Manifest:
    same = {"memory": config.memory}
    if config.gpus:
        same[config.gpu_resource] = str(config.gpus)
    # No limit of the CPU: it would only stall a pod on a node that is idle.
    return {"requests": {"cpu": f"{math.ceil(config.cpu * 1000)}m", **same}, "limits": same}


_PLACES = {"cache": "/cache", "tmp": "/tmp", "shm": "/dev/shm"}  # noqa: S108


def _scratch(config: KubernetesTrainer) -> list[Manifest]:
    volumes: list[Manifest] = [{"name": "cache", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}]
    if config.processes > 1:  # the runtime's 64 MB are too little for NCCL between GPUs
        volumes.append({"name": "shm", "emptyDir": {"medium": "Memory"}})
    return volumes


def _volume(volume: Volume) -> Manifest:
    if volume.claim is not None:
        claim: Manifest = {"claimName": volume.claim} | (
            {"readOnly": True} if volume.read_only else {}
        )
        return {"name": volume.name, "persistentVolumeClaim": claim}
    if volume.host_path is not None:
        return {"name": volume.name, "hostPath": {"path": volume.host_path}}
    return {"name": volume.name, "emptyDir": {"sizeLimit": volume.empty_dir}}


def _affinity(config: KubernetesTrainer, labels: dict[str, str]) -> Manifest:
    found: Manifest = {}
    if terms := _node_terms(config):
        required = {"nodeSelectorTerms": [{"matchExpressions": term} for term in terms]}
        found["nodeAffinity"] = {"requiredDuringSchedulingIgnoredDuringExecution": required}
    if config.nodes > 1:
        apart = {
            "labelSelector": {"matchLabels": {"concord/job": labels["concord/job"]}},
            "topologyKey": "kubernetes.io/hostname",
        }
        # Two pods of one training task on a node gain nothing; with GPUs `nodes` promises it.
        found["podAntiAffinity"] = (
            {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}
            if config.gpus
            else {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {"weight": 100, "podAffinityTerm": apart}
                ]
            }
        )
    return found


def _node_terms(config: KubernetesTrainer) -> list[list[Manifest]]:
    """Alternatives, each a list of conditions that hold together."""
    product: list[Manifest] = []
    if config.gpu_product:
        product.append(
            {
                "key": f"{config.gpu_resource}.product",
                "operator": "In",
                "values": [config.gpu_product],
            }
        )
    if config.spot is None:
        return [product] if product else []
    if config.spot:
        return [[*product, {"key": k, "operator": "In", "values": [v]}] for k, v in _SPOT.items()]
    return [[*product, *({"key": k, "operator": "NotIn", "values": [v]} for k, v in _SPOT.items())]]


def _tolerations(config: KubernetesTrainer) -> list[Manifest]:
    spot = (
        [Toleration(key=key, operator="Exists", effect="NoSchedule") for key in _SPOT_TAINTS]
        if config.spot
        else []
    )
    return [t.model_dump(exclude_none=True) for t in [*config.tolerations, *spot]]
